package translate

import (
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	previousprioritiesv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/priority/previous_priorities/v3"

	"github.com/squallmesh/squall/mesh/model"
)

// Istio's default: two retries of what surely had no effect on the server.
const (
	defaultAttempts = 2
	defaultRetryOn  = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
)

// retryPolicy translates retries; nil takes Istio's default, and Attempts 0 gives none. With a consistent
// hash no host is avoided, since the hash decides.
func retryPolicy(p *model.RetryPolicy, hashed bool) *routev3.RetryPolicy {
	out := &routev3.RetryPolicy{
		RetryOn:                       defaultRetryOn,
		NumRetries:                    wrapU32(defaultAttempts),
		HostSelectionRetryMaxAttempts: 5,
	}
	avoid := !hashed
	if p != nil {
		if p.Attempts == 0 {
			return nil
		}
		out.NumRetries = wrapU32(p.Attempts)
		out.PerTryTimeout = optional(p.PerTryTimeout)
		if p.RetryOn != "" {
			out.RetryOn, out.RetriableStatusCodes = splitRetryOn(p.RetryOn)
		}
		if p.Backoff > 0 {
			out.RetryBackOff = &routev3.RetryPolicy_RetryBackOff{BaseInterval: duration(p.Backoff)}
		}
		if p.RetryRemoteLocalities {
			out.RetryPriority = &routev3.RetryPolicy_RetryPriority{
				Name: "envoy.retry_priorities.previous_priorities",
				ConfigType: &routev3.RetryPolicy_RetryPriority_TypedConfig{
					TypedConfig: packed(&previousprioritiesv3.PreviousPrioritiesConfig{UpdateFrequency: 2}),
				},
			}
		}
		avoid = avoid && !p.AllowPreviousHosts
	}
	if avoid {
		out.RetryHostPredicate = []*routev3.RetryPolicy_RetryHostPredicate{{
			Name: "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{
				TypedConfig: packed(&previoushostsv3.PreviousHostsPredicate{}),
			},
		}}
	}
	return out
}

// splitRetryOn parts status codes from conditions, as Istio does: "5xx,429" retries on 5xx and on 429.
func splitRetryOn(s string) (conditions string, codes []uint32) {
	var words []string
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		if code, err := strconv.ParseUint(word, 10, 32); err == nil {
			codes = append(codes, uint32(code))
			continue
		}
		words = append(words, word)
	}
	if len(codes) > 0 && !strings.Contains(s, "retriable-status-codes") {
		words = append(words, "retriable-status-codes")
	}
	return strings.Join(words, ","), codes
}
