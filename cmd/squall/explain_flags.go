package main

// responseFlag is one of Envoy's response flags in words. Sources: Envoy's documentation of access logs
// (%RESPONSE_FLAGS%) and its list of core response flags.
type responseFlag struct {
	letters, means, look string
}

// responseFlags are all of Envoy's, by their letters. look says where the cause is likely found.
var responseFlags = []responseFlag{
	{"DC", "the client closed the connection before the answer was complete", "the client's own time-out, or a timeout of a proxy before this one"},
	{"DF", "a name could not be resolved", "the host of a ServiceEntry with resolution DNS"},
	{"DI", "the request was delayed on purpose", "the fault of the route, or of the scenario"},
	{"DO", "the request was dropped to shed load", "dropOverloads of the cluster's endpoints"},
	{"DPE", "the client broke the rules of HTTP", "the client's request"},
	{"DR", "the client reset its stream", "the client's own time-out"},
	{"DT", "the request or connection lasted longer than allowed", "maxConnectionDuration, or a maximal stream duration"},
	{"FI", "the request was answered with an error on purpose", "the fault of the route, or of the scenario"},
	{"IH", "a header that Envoy reads strictly had a bad value", "the client's x-envoy-* headers"},
	{"LH", "the proxy's own health check failed", "the proxy is going down"},
	{"LR", "the proxy itself reset the connection", "a limit or a time-out of this proxy"},
	{"NC", "the route leads to a cluster that the proxy does not have", "the destination's host, port and subset"},
	{"NFCF", "the configuration of a filter did not arrive", "the control plane"},
	{"NR", "no route matches the request", "the matches of the VirtualService, its hosts, and its gateways"},
	{"OM", "the proxy is overloaded and refuses work", "the overload manager: memory of the proxy"},
	{"RFCF", "the answer came from a cache", "a cache filter"},
	{"RL", "the request exceeds a rate limit", "the rate limit's rules"},
	{"RLSE", "the rate limit service failed", "the rate limit service"},
	{"SI", "nothing was sent for too long", "the idle time-out of streams"},
	{"UAEX", "an external authorization refused the request", "the authorization service"},
	{"UC", "the upstream closed the connection before it answered", "the app behind it crashed or went away; Istio's default does not retry this"},
	{"UDO", "the request was dropped to shed all load", "dropOverloads of the cluster's endpoints"},
	{"UF", "no connection to the upstream could be made", "the endpoint is down or refuses, or TLS fails"},
	{"UH", "no healthy endpoint was there to take the request", "the cluster has no endpoint, or outlier detection ejected them all"},
	{"UMSDR", "the upstream request lasted longer than the cluster allows", "the cluster's maximal stream duration"},
	{"UO", "a limit refused the request: it was never sent, and is not retried", "connectionPool of the DestinationRule"},
	{"UPE", "the upstream broke the rules of HTTP", "the app's answer, or the port's protocol"},
	{"UR", "the upstream reset the connection", "the app behind it"},
	{"URX", "all retries were spent", "retries of the route: attempts and retryOn"},
	{"UT", "the time for the whole request, or for one try, was over", "timeout and perTryTimeout of the route"},
}

func flagNamed(letters string) (responseFlag, bool) {
	for _, f := range responseFlags {
		if f.letters == letters {
			return f, true
		}
	}
	return responseFlag{}, false
}
