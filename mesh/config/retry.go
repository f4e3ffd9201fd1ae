package config

import (
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// retryConditions are the words of retryOn, those of HTTP and those of gRPC. Source: Envoy's x-envoy-retry-on and
// x-envoy-retry-grpc-on.
var retryConditions = strings.Fields(`5xx gateway-error reset reset-before-request connect-failure envoy-ratelimited
	retriable-4xx refused-stream retriable-status-codes retriable-headers http3-post-connect-failure
	cancelled deadline-exceeded internal resource-exhausted unavailable`)

func (r reporter) retries(in *networking.HTTPRetry, path string) *model.RetryPolicy {
	if in == nil {
		return nil
	}
	out := &model.RetryPolicy{
		Attempts:              r.count(in.Attempts, path+".attempts"),
		PerTryTimeout:         r.duration(in.PerTryTimeout, path+".perTryTimeout", false),
		Backoff:               r.duration(in.Backoff, path+".backoff", false),
		RetryOn:               r.retryOn(in.RetryOn, path+".retryOn"),
		RetryRemoteLocalities: in.RetryRemoteLocalities.GetValue(),
		AllowPreviousHosts:    in.RetryIgnorePreviousHosts != nil && !in.RetryIgnorePreviousHosts.Value,
		Pos:                   r.pos(path),
	}
	if in.Attempts == 0 && (in.PerTryTimeout != nil || in.RetryOn != "" || in.RetryRemoteLocalities != nil || in.Backoff != nil) && !r.doc.damaged(path) {
		r.errorf("RETRIES-OFF", path, "retries have settings, but attempts is 0, which switches them off")
		r.hint("say how many: attempts: 2")
	}
	return out
}

func (r reporter) retryOn(in, path string) string {
	var out []string
	for word := range strings.SplitSeq(in, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		if code, err := strconv.Atoi(word); err == nil {
			if code < 100 || code > 599 {
				r.errorf("BAD-STATUS", path, "retryOn names the status %d, which is none", code)
			}
		} else if !slices.Contains(retryConditions, word) {
			r.errorf("BAD-RETRY-ON", path, "retryOn names the unknown condition %q", shorten(word))
			r.hint("%s", DidYouMean(word, retryConditions))
		}
		out = append(out, word)
	}
	return strings.Join(out, ",")
}
