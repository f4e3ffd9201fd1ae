package bookinfo

import "net/http"

// passed are the headers that a service repeats on the calls it makes on behalf of a request: what tracers need to join
// spans, and what rules route by.
var passed = []string{
	"x-request-id",
	"x-ot-span-context",
	"x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority",
	"traceparent", "tracestate",
	"x-cloud-trace-context",
	"grpc-trace-bin",
	"x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "b3",
	"sw8",
	"end-user",
	"user-agent",
	"cookie",
	"authorization", "jwt",
}

// PassedHeaders returns the names of the headers, in lower case, that each service passes on to the services it calls.
func PassedHeaders() []string { return append([]string(nil), passed...) }

func passOn(r *http.Request) http.Header {
	h := http.Header{}
	for _, name := range passed {
		if v := r.Header.Values(name); len(v) > 0 {
			h[http.CanonicalHeaderKey(name)] = append([]string(nil), v...)
		}
	}
	return h
}
