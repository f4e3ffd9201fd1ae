package lint

import (
	"slices"
	"strconv"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// timeoutCutsRetries finds retries for which there is no time. Tries follow one another, after pauses that may be 0.
func timeoutCutsRetries(p *pass) {
	for _, r := range p.routes {
		n := r.attempts()
		if n == 0 || r.Timeout == 0 || r.Retries.PerTryTimeout == 0 || r.Retries.PerTryTimeout >= r.Timeout {
			continue
		}
		each := r.Retries.PerTryTimeout
		if whole := each * (1 + timesOf(n)); whole > r.Timeout {
			p.report(r.at("timeout"), "make timeout at least "+whole.String()+", or perTryTimeout smaller",
				"the timeout ends the retries: %d tries of up to %s take %d × %s = %s, and the timeout is %s, so that at most %d tries that time out are whole",
				n+1, each, n+1, each, whole, r.Timeout, r.Timeout/each)
		}
	}
}

// tryOutlivesTimeout finds a perTryTimeout that the timeout always comes before.
func tryOutlivesTimeout(p *pass) {
	for _, r := range p.routes {
		if r.attempts() > 0 && r.Timeout > 0 && r.Retries.PerTryTimeout >= r.Timeout {
			p.report(r.at("retries.perTryTimeout"), "make perTryTimeout smaller than timeout divided by the number of tries",
				"perTryTimeout %s is never reached: the whole request ends after %s, so a slow try is never given up for another", r.Retries.PerTryTimeout, r.Timeout)
		}
	}
}

// redundant says what a word of retryOn holds for already. Source: Envoy's documentation of x-envoy-retry-on.
var redundant = map[string][]string{
	"5xx":             {"gateway-error", "reset", "connect-failure", "refused-stream", "reset-before-request"},
	"gateway-error":   nil,
	"reset":           {"reset-before-request"},
	"connect-failure": nil,
}

// retryOnRedundant finds conditions that say nothing new.
func retryOnRedundant(p *pass) {
	for _, r := range p.routes {
		if r.attempts() == 0 {
			continue
		}
		words := strings.Split(r.Retries.RetryOn, ",")
		for i, w := range words {
			if slices.Contains(words[:i], w) {
				p.report(r.at("retries.retryOn"), "leave it out", "retryOn names %s twice", w)
			}
			for _, wide := range words {
				code, err := strconv.Atoi(w)
				if slices.Contains(redundant[wide], w) || wide == "5xx" && err == nil && code >= 500 && code < 600 {
					p.report(r.at("retries.retryOn"), "leave it out, or name the narrower conditions alone",
						"%s in retryOn has no effect beside %s, which holds for it as well", w, wide)
				}
			}
		}
	}
}

// retryResonance finds round robin over two endpoints with retries: each retry takes the turn of the good one, and the next request
// begins at the bad one again.
func retryResonance(p *pass) {
	for _, r := range p.routes {
		if r.attempts() == 0 || len(r.Destinations) != 1 {
			continue
		}
		for _, c := range p.to(r) {
			if lb := c.policy.LoadBalancer; lb != nil && lb.Policy == model.RoundRobin && c.hosts == 2 {
				p.report(r.at("retries.attempts"), "use LEAST_REQUEST or RANDOM, or a third endpoint",
					"round robin over the 2 endpoints of %s and retries resonate: with one endpoint bad not 1 of 2 but every request is retried, since the retry takes the good one's turn and the next request is the bad one's again",
					c.name())
			}
		}
	}
}

// hashRetriesSameHost finds retries that ask the endpoint again that has just failed.
func hashRetriesSameHost(p *pass) {
	for _, r := range p.routes {
		if r.attempts() == 0 || len(r.Destinations) != 1 {
			continue
		}
		for _, c := range p.to(r) {
			if c.hashed() && c.hosts > 1 {
				p.report(r.at("retries.attempts"), "leave the retries out, or add outlierDetection so that the ring loses a bad endpoint",
					"all %d tries go to the same one of the %d endpoints of %s: the hash decides, and Istio does not avoid hosts already tried where there is one", r.attempts()+1, c.hosts, c.name())
			}
		}
	}
}

func (c *cluster) hashed() bool {
	lb := c.policy.LoadBalancer
	return lb != nil && lb.Hash != nil
}
