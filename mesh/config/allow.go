package config

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// allowed lists, for each message of Istio's networking API, the fields that have an effect here, by JSON's names.
// A field that is not listed is an error, never dropped in silence.
var allowed = fieldSets(networkingAPI, networkingFields, fieldSets(securityAPI, securityFields, fieldSets(meshAPI, meshFields, fieldSets(typeAPI, typeFields, fieldSets(telemetryAPI, telemetryFields, map[protoreflect.FullName]bool{})))))

var networkingFields = map[string]string{
	"VirtualService":                        "hosts gateways http tls tcp exportTo",
	"Destination":                           "host subset port",
	"PortSelector":                          "number",
	"Percent":                               "value",
	"HTTPRoute":                             "name match route redirect directResponse delegate rewrite timeout retries fault mirror mirrors mirrorPercent mirrorPercentage corsPolicy headers",
	"Delegate":                              "name namespace",
	"Headers":                               "request response",
	"Headers.HeaderOperations":              "set add remove",
	"HTTPMatchRequest":                      "name uri scheme method authority headers port sourceLabels gateways queryParams ignoreUriCase withoutHeaders sourceNamespace",
	"StringMatch":                           "exact prefix regex",
	"HTTPRouteDestination":                  "destination weight headers",
	"RouteDestination":                      "destination weight",
	"HTTPRedirect":                          "uri authority port derivePort scheme redirectCode prefixRewrite",
	"HTTPDirectResponse":                    "status body",
	"HTTPBody":                              "string bytes",
	"HTTPRewrite":                           "uri authority uriRegexRewrite",
	"RegexRewrite":                          "match rewrite",
	"HTTPRetry":                             "attempts perTryTimeout retryOn retryRemoteLocalities retryIgnorePreviousHosts backoff",
	"CorsPolicy":                            "allowOrigin allowOrigins allowMethods allowHeaders exposeHeaders maxAge allowCredentials unmatchedPreflights",
	"HTTPFaultInjection":                    "delay abort",
	"HTTPFaultInjection.Delay":              "percent fixedDelay percentage",
	"HTTPFaultInjection.Abort":              "httpStatus grpcStatus percentage",
	"HTTPMirrorPolicy":                      "destination percentage",
	"TLSRoute":                              "match route",
	"TCPRoute":                              "match route",
	"L4MatchAttributes":                     "destinationSubnets port sourceLabels gateways sourceNamespace",
	"TLSMatchAttributes":                    "sniHosts destinationSubnets port sourceLabels gateways sourceNamespace",
	"DestinationRule":                       "host trafficPolicy subsets exportTo",
	"Subset":                                "name labels trafficPolicy",
	"TrafficPolicy":                         "loadBalancer connectionPool outlierDetection tls portLevelSettings retryBudget",
	"TrafficPolicy.PortTrafficPolicy":       "port loadBalancer connectionPool outlierDetection tls",
	"TrafficPolicy.RetryBudget":             "percent minRetryConcurrency",
	"LoadBalancerSettings":                  "simple consistentHash localityLbSetting warmupDurationSecs warmup",
	"LoadBalancerSettings.ConsistentHashLB": "httpHeaderName httpCookie useSourceIp httpQueryParameterName ringHash maglev minimumRingSize",
	"LoadBalancerSettings.ConsistentHashLB.RingHash":       "minimumRingSize",
	"LoadBalancerSettings.ConsistentHashLB.MagLev":         "tableSize",
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie":     "name path ttl",
	"WarmupConfiguration":                                  "duration minimumPercent aggression",
	"LocalityLoadBalancerSetting":                          "distribute failover failoverPriority enabled",
	"LocalityLoadBalancerSetting.Distribute":               "from to",
	"LocalityLoadBalancerSetting.Failover":                 "from to",
	"ConnectionPoolSettings":                               "tcp http",
	"ConnectionPoolSettings.TCPSettings":                   "maxConnections connectTimeout tcpKeepalive maxConnectionDuration idleTimeout",
	"ConnectionPoolSettings.TCPSettings.TcpKeepalive":      "probes time interval",
	"ConnectionPoolSettings.HTTPSettings":                  "http1MaxPendingRequests http2MaxRequests maxRequestsPerConnection maxRetries idleTimeout h2UpgradePolicy useClientProtocol maxConcurrentStreams",
	"OutlierDetection":                                     "splitExternalLocalOriginErrors consecutiveLocalOriginFailures consecutiveGatewayErrors consecutive5xxErrors interval baseEjectionTime maxEjectionPercent minHealthPercent",
	"ClientTLSSettings":                                    "mode clientCertificate privateKey caCertificates credentialName subjectAltNames sni insecureSkipVerify",
	"Gateway":                                              "servers selector",
	"Server":                                               "port hosts tls name",
	"Port":                                                 "number protocol name",
	"ServerTLSSettings":                                    "httpsRedirect mode credentialName subjectAltNames minProtocolVersion maxProtocolVersion cipherSuites",
	"ServiceEntry":                                         "hosts addresses ports location resolution endpoints workloadSelector exportTo",
	"ServicePort":                                          "number protocol name targetPort",
	"WorkloadEntry":                                        "address ports labels locality weight",
	"WorkloadSelector":                                     "labels",
	"EnvoyFilter":                                          "workloadSelector configPatches priority",
	"EnvoyFilter.EnvoyConfigObjectPatch":                   "applyTo match patch",
	"EnvoyFilter.EnvoyConfigObjectMatch":                   "context listener routeConfiguration cluster",
	"EnvoyFilter.ListenerMatch":                            "portNumber filterChain name",
	"EnvoyFilter.ListenerMatch.FilterChainMatch":           "name sni transportProtocol applicationProtocols filter destinationPort",
	"EnvoyFilter.ListenerMatch.FilterMatch":                "name subFilter",
	"EnvoyFilter.ListenerMatch.SubFilterMatch":             "name",
	"EnvoyFilter.RouteConfigurationMatch":                  "portNumber vhost name",
	"EnvoyFilter.RouteConfigurationMatch.VirtualHostMatch": "name domainName route",
	"EnvoyFilter.RouteConfigurationMatch.RouteMatch":       "name action",
	"EnvoyFilter.ClusterMatch":                             "portNumber service subset name",
	"EnvoyFilter.Patch":                                    "operation value",
}

// instead says what to write in place of fields that are not supported.
var instead = map[string]string{
	"OutlierDetection.consecutiveErrors":              "Istio dropped it: use consecutive5xxErrors or consecutiveGatewayErrors",
	"HTTPFaultInjection.Delay.exponentialDelay":       "use fixedDelay",
	"HTTPFaultInjection.Abort.http2Error":             "use httpStatus or grpcStatus",
	"ServerTLSSettings.serverCertificate":             "name a Secret: credentialName",
	"ServerTLSSettings.privateKey":                    "name a Secret: credentialName",
	"ServerTLSSettings.caCertificates":                "name a Secret with ca.crt: credentialName",
	"ServerTLSSettings.credentialNames":               "name one Secret: credentialName",
	"LoadBalancerSettings.zoneAwareLbSetting":         "use localityLbSetting",
	"L4MatchAttributes.sourceSubnet":                  "use sourceLabels or sourceNamespace",
	"Port.targetPort":                                 "Istio dropped it: delete the field",
	"ConnectionPoolSettings.HTTPSettings.maxRequests": "use http2MaxRequests",

	"EnvoyFilter.EnvoyConfigObjectMatch.proxy":     "proxies here are Envoy itself, of one version: delete the field",
	"EnvoyFilter.EnvoyConfigObjectMatch.waypoint":  "there are no waypoints here",
	"EnvoyFilter.ListenerMatch.portName":           "use portNumber",
	"EnvoyFilter.ListenerMatch.listenerFilter":     "listener filters are not patched",
	"EnvoyFilter.RouteConfigurationMatch.portName": "use portNumber",
	"EnvoyFilter.RouteConfigurationMatch.gateway":  "say which virtual hosts by vhost, or which proxies by workloadSelector",
	"EnvoyFilter.Patch.filterClass":                "say where by INSERT_BEFORE or INSERT_AFTER a filter",
	"EnvoyFilter.targetRefs":                       "use workloadSelector",
	"Telemetry.targetRefs":                         "use selector",
	"Telemetry.targetRef":                          "use selector",

	"MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationHttpProvider.includeHeadersInCheck": "Istio dropped it: use includeRequestHeadersInCheck",
}

// Where the messages of Istio's API are.
const (
	istioAPI      = "istio."
	networkingAPI = "istio.networking.v1alpha3."
	securityAPI   = "istio.security.v1beta1."
	typeAPI       = "istio.type.v1beta1."
	meshAPI       = "istio.mesh.v1alpha1."
	telemetryAPI  = "istio.telemetry.v1alpha1."
)

// fieldSets adds the fields of messages of one API to a set, and gives it back.
func fieldSets(api string, lists map[string]string, out map[protoreflect.FullName]bool) map[protoreflect.FullName]bool {
	for message, fields := range lists {
		for f := range strings.FieldsSeq(fields) {
			out[protoreflect.FullName(api+message+"."+f)] = true
		}
	}
	return out
}

func supported(fd protoreflect.FieldDescriptor) bool {
	if !strings.HasPrefix(string(fd.FullName()), istioAPI) {
		return true // Envoy's own, which Envoy judges
	}
	return allowed[fd.ContainingMessage().FullName()+"."+protoreflect.FullName(fd.JSONName())]
}

// supports reports whether a field has an effect, and if not, what to do.
func supports(fd protoreflect.FieldDescriptor) (hint string, ok bool) {
	if supported(fd) {
		return "", true
	}
	name := string(fd.ContainingMessage().FullName()) + "." + fd.JSONName()
	for _, api := range []string{networkingAPI, securityAPI, typeAPI, meshAPI, telemetryAPI} {
		name = strings.TrimPrefix(name, api)
	}
	if hint = instead[name]; hint == "" {
		hint = "delete the field; what has no effect here is refused rather than ignored"
	}
	return hint, false
}
