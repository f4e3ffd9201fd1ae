package config

// telemetryFields are the fields of Istio's telemetry API that have an effect here, as networkingFields are those of its networking API.
var telemetryFields = map[string]string{
	"Telemetry":                    "selector tracing metrics accessLogging",
	"Tracing":                      "match providers randomSamplingPercentage disableSpanReporting customTags useRequestIdForTraceSampling",
	"Tracing.TracingSelector":      "mode",
	"Tracing.CustomTag":            "literal environment header formatter",
	"Tracing.Literal":              "value",
	"Tracing.Environment":          "name defaultValue",
	"Tracing.RequestHeader":        "name defaultValue",
	"Tracing.Formatter":            "value",
	"ProviderRef":                  "name",
	"Metrics":                      "providers overrides",
	"MetricsOverrides":             "match disabled tagOverrides",
	"MetricsOverrides.TagOverride": "operation value",
	"MetricSelector":               "metric mode",
	"AccessLogging":                "match providers disabled filter",
	"AccessLogging.LogSelector":    "mode",
	"AccessLogging.Filter":         "expression",
}
