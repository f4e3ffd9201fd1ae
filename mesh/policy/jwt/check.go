package jwt

import (
	"slices"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
)

// Outcome is what becomes of a request.
type Outcome struct {
	// Status that the request is refused with: 401, or 403 for a token that is meant for somebody else. 0 lets it pass.
	Status int
	// Reason is Envoy's, which is the body of a refusal; empty if it passes.
	Reason string
	// Request is what goes on: without a token that was believed (unless it is to be forwarded), with claims in headers.
	Request match.Request
	// Claims of the token that was believed; nil without one.
	Claims map[string]any
}

// The reasons of Envoy's for which a token is not believed.
const (
	missing         = "Jwt is missing"
	badFormat       = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
	badAlgorithm    = "Jwt header [alg] field value is invalid"
	unknownIssuer   = "Jwt issuer is not configured"
	notYet          = "Jwt not yet valid"
	expired         = "Jwt is expired"
	wrongAudience   = "Audiences in Jwt are not allowed"
	noKey           = "Jwks doesn't have key to match kid or alg from Jwt"
	badVerification = "Jwt verification fails"
)

// Check holds a request against the rules of a proxy, in their order. A request without any token passes; with one the first rule all of whose
// tokens hold decides. Source: Envoy's verifier.cc and authenticator.cc of jwt_authn, as Istio configures it (any of the providers, or missing).
func Check(rules []*model.JWTRule, r match.Request, now time.Time) Outcome {
	out := Outcome{Request: r}
	if len(rules) == 0 {
		return out
	}
	r.Headers = slices.Clone(r.Headers)
	for _, rule := range rules {
		sanitize(&r, rule)
		tokens := extract([]*model.JWTRule{rule}, &r)
		reason, claims := missing, map[string]any(nil)
		for _, t := range slices.Backward(tokens) {
			if reason, claims = t.verify(rule, now); reason != "" {
				break
			}
			accept(&r, rule, t, claims)
		}
		if reason == "" {
			return Outcome{Request: r, Claims: claims}
		}
	}
	return lastResort(rules, r, now)
}

// lastResort lets requests pass that have no token at any place. Of several tokens the one that was found first says why not.
func lastResort(rules []*model.JWTRule, r match.Request, now time.Time) Outcome {
	reason, claims := "", map[string]any(nil)
	for _, t := range slices.Backward(extract(rules, &r)) {
		reason, claims = unknownIssuer, nil
		i := slices.IndexFunc(rules, func(rule *model.JWTRule) bool { return rule.Issuer == t.issuer() })
		if i < 0 {
			if parsed, err := t.parse(); err != nil || parsed == nil {
				reason = badFormat
			}
			continue
		}
		if reason, claims = t.verify(rules[i], now); reason == "" {
			accept(&r, rules[i], t, claims)
		}
	}
	switch reason {
	case "":
		return Outcome{Request: r, Claims: claims}
	case wrongAudience:
		return Outcome{Status: 403, Reason: reason, Request: r}
	}
	return Outcome{Status: 401, Reason: reason, Request: r}
}
