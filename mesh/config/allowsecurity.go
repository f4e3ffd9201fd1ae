package config

// securityFields are the fields of Istio's security API that have an effect here, as networkingFields are those of its networking API.
var securityFields = map[string]string{
	"PeerAuthentication":           "selector mtls portLevelMtls",
	"PeerAuthentication.MutualTLS": "mode",
}

// typeFields are those of the types that both APIs share.
var typeFields = map[string]string{
	"WorkloadSelector": "matchLabels",
}
