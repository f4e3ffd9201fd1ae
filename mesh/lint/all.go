package lint

import "time"

// timesOf makes a number a factor of a duration.
func timesOf(n uint32) time.Duration { return time.Duration(n) }

// All lists the rules, by code.
func All() []Rule {
	return []Rule{
		{"BUDGET-PERCENT-IDLE", "A retry budget whose percentage is always below its minimum.", "Envoy allows the larger of the two, and the limits of requests keep the percentage small.", "", budgetPercentIdle},
		{"CONNECT-OUTLIVES-TIMEOUT", "A connectTimeout that is not smaller than the timeout of a route.", "The request is over before the connection is given up, so no other endpoint is tried.", "", connectOutlivesTimeout},
		{"CONNECTIONS-ON-HTTP2", "maxConnections on HTTP/2 without http2MaxRequests.", "One connection carries any number of requests.", "pitfalls", connectionsOnHTTP2},
		{"DELAY-OUTSIDE-TIMEOUT", "A delay that is not shorter than the timeout of its own route.", "The timeout begins when the request is sent, after the delay.", "pitfalls", delayOutsideTimeout},
		{"EJECTION-ROUNDED", "A baseEjectionTime below the interval.", "Hosts come back only at the sweeps, one each interval.", "", ejectionRounded},
		{"EMPTY-SUBSET", "A subset that gets requests and has no endpoint.", "Its requests get 503 with the flag UH.", "pitfalls", emptySubset},
		{"FAILOVER-WITHOUT-OUTLIER", "Failover between localities without outlierDetection.", "Istio makes priorities only where ejections can empty one.", "locality", failoverWithoutOutlier},
		{"FAULT-ZERO", "A fault at 0 per cent.", "It hits no request.", "pitfalls", faultZero},
		{"GATEWAY-SELECTS-NOTHING", "A gateway whose selector no gateway proxy has.", "It opens no port.", "pitfalls", gatewaySelectsNothing},
		{"HASH-ACROSS-WEIGHTS", "consistentHash behind several weighted destinations.", "The weights draw anew for each request, before the hash.", "pitfalls", hashAcrossWeights},
		{"HASH-RETRIES-SAME-HOST", "Retries to a host with consistentHash.", "The hash gives the same endpoint again.", "", hashRetriesSameHost},
		{"HEALTH-CHECK-BLIND", "A health check that only connects to endpoints with a sidecar.", "The sidecar takes the connection before it knows whether its app is there.", "", healthCheckBlind},
		{"HEALTH-CHECK-REFUSED", "A health check that authorization refuses, whoever asks.", "Checks are requests like others, with the identity of the caller: nobody is ever well.", "", healthCheckRefused},
		{"LIMIT-NEVER-QUEUES", "http1MaxPendingRequests that http2MaxRequests leaves no use for.", "http2MaxRequests bounds HTTP/1 too, and refuses before the connections are used up.", "pitfalls", limitNeverQueues},
		{"LIMIT-PER-SIDECAR", "A limit of a service that several workloads call.", "Each sidecar counts for itself.", "pitfalls", limitPerSidecar},
		{"MAX-RETRIES-IGNORED", "maxRetries beside a retryBudget.", "Envoy asks the budget alone.", "", maxRetriesIgnored},
		{"MIRROR-TO-SELF", "A mirror that goes where the requests go.", "It doubles load and shows nothing.", "pitfalls", mirrorToSelf},
		{"NEVER-EJECTS", "maxEjectionPercent below the share of one endpoint.", "Envoy ejects only if 100·(ejected+1)/hosts is at most that.", "ejection", neverEjects},
		{"NOTHING-EJECTS", "outlierDetection in which everything is switched off.", "consecutive5xxErrors 0 is off, the others are off unless set.", "pitfalls", nothingEjects},
		{"PANIC-UNDOES-EJECTION", "A minHealthPercent that the first ejection crosses.", "In panic Envoy asks all endpoints, the ejected ones too.", "panic", panicUndoesEjection},
		{PatchIdle, "A patch of an EnvoyFilter that matches nothing that any proxy is told.", "Names of filters, ports and hosts are compared as they are, and Istio's own filters exist in Istio's Envoy alone.", "envoy-filter", patchIdle},
		{"PATH-NEVER-MATCHES", "A uri that no path meets.", "A path begins with a slash, is compared whole by regex, and without its query.", "pitfalls", pathNeverMatches},
		{"PLAIN-ERRORS-EJECT", "consecutiveGatewayErrors without consecutive5xxErrors.", "Envoy's default of five errors of any kind stays in force.", "ejection", plainErrorsEject},
		{"REMOVED-HEADER", "A match on a header that the route before removes.", "An app can pass on only what it gets.", "", removedHeader},
		{"RETRIES-MULTIPLY", "Retries in several tiers of one way through the call graph.", "Each tier multiplies what the next one gets.", "", retriesMultiply},
		{"RETRY-ON-REDUNDANT", "A condition of retryOn that is named twice, or that another one holds for.", "It says nothing new.", "", retryOnRedundant},
		{"RETRY-RESONANCE", "Retries with round robin over two endpoints.", "Every request begins at the bad endpoint, not every second one.", "", retryResonance},
		{"SHADOWED-ROUTE", "A route whose matches an earlier one covers.", "The first match takes the request.", "pitfalls", shadowedRoute},
		{"STREAMS-ON-HTTP1", "maxConcurrentStreams on HTTP/1.", "Its connections carry one request at a time.", "pitfalls", streamsOnHTTP1},
		{"TIMEOUT-CUTS-RETRIES", "A timeout that is too short for its tries.", "The timeout of a route covers all its tries together.", "retry-timeouts", timeoutCutsRetries},
		{"TRY-OUTLIVES-TIMEOUT", "A perTryTimeout that is not smaller than the timeout.", "The whole request ends first.", "pitfalls", tryOutlivesTimeout},
		{"UNKNOWN-MATCH-PORT", "A match on a port that none of the rule's hosts has.", "The port in a match is the service's.", "pitfalls", unknownMatchPort},
		{"UNUSED-POLICY", "A policy of a subset that no route sends to.", "A subset's policy holds for requests sent to the subset.", "pitfalls", unusedPolicy},
		{"WEIGHT-ZERO", "A destination of weight 0 beside others.", "It gets no request.", "traffic-shifting", weightZero},
	}
}

// Read lists what is found already when rules are read, by code: warnings of mesh/config that are findings as well.
func Read() []Rule {
	return []Rule{
		{"DELEGATE", "A delegated route that no request reaches.", "Its conditions and those of the route that delegates exclude one another.", "", nil},
		{"FAULT-NO-PERCENT", "A fault without a percentage.", "Istio takes it as 0: it hits no request.", "pitfalls", nil},
		{"FAULT-NO-RETRY", "Retries on a route with a fault of its own.", "Envoy's fault filter stands before the retries and its aborts are not tried again.", "fault-abort", nil},
		{"NO-EFFECT", "A setting without the one that it needs.", "consecutiveLocalOriginFailures counts only with splitExternalLocalOriginErrors.", "", nil},
		{"SHADOWED", "A route after one that takes every request.", "The first match takes the request.", "", nil},
		{"UNKNOWN-HOST", "A rule for a host that no service has.", "Nobody can call it.", "", nil},
	}
}
