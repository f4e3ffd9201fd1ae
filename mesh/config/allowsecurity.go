package config

// securityFields are the fields of Istio's security API that have an effect here, as networkingFields are those of its networking API.
var securityFields = map[string]string{
	"PeerAuthentication":                    "selector mtls portLevelMtls",
	"PeerAuthentication.MutualTLS":          "mode",
	"RequestAuthentication":                 "selector jwtRules",
	"JWTRule":                               "issuer audiences jwks jwksUri timeout fromHeaders fromParams fromCookies outputPayloadToHeader outputClaimToHeaders forwardOriginalToken",
	"JWTHeader":                             "name prefix",
	"ClaimToHeader":                         "header claim",
	"AuthorizationPolicy":                   "selector rules action provider",
	"AuthorizationPolicy.ExtensionProvider": "name",
	"Rule":                                  "from to when",
	"Rule.From":                             "source",
	"Rule.To":                               "operation",
	"Source": "principals notPrincipals requestPrincipals notRequestPrincipals namespaces notNamespaces serviceAccounts notServiceAccounts " +
		"ipBlocks notIpBlocks remoteIpBlocks notRemoteIpBlocks trustDomains notTrustDomains",
	"Operation": "hosts notHosts ports notPorts methods notMethods paths notPaths",
	"Condition": "key values notValues",
}

// meshFields are those of the mesh's settings; who reads them says which settings there are.
var meshFields = map[string]string{
	"MeshConfig.ExtensionProvider":                                        "name envoyExtAuthzGrpc envoyExtAuthzHttp envoyFileAccessLog zipkin opentelemetry prometheus",
	"MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationGrpcProvider": "service port timeout failOpen clearRouteCache statusOnError includeRequestBodyInCheck",
	"MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationHttpProvider": "service port timeout pathPrefix failOpen clearRouteCache statusOnError includeRequestHeadersInCheck " +
		"includeAdditionalHeadersInCheck includeRequestBodyInCheck headersToUpstreamOnAllow headersToDownstreamOnDeny headersToDownstreamOnAllow",
	"MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider":            "path logFormat omitEmptyValues",
	"MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider.LogFormat":  "text labels",
	"MeshConfig.ExtensionProvider.ZipkinTracingProvider":                 "service port maxTagLength traceContextOption",
	"MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider":          "service port maxTagLength",
	"MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationRequestBody": "maxRequestBytes allowPartialMessage packAsBytes",
}

// typeFields are those of the types that both APIs share.
var typeFields = map[string]string{
	"WorkloadSelector": "matchLabels",
}
