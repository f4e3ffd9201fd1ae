package model

import (
	"time"

	"github.com/squallmesh/squall/mesh/diag"
)

// RequestAuthentication says which tokens of end users workloads believe. A request without a token passes; one with a token that does not
// hold is refused.
type RequestAuthentication struct {
	Name, Namespace string
	// Selector as in AuthorizationPolicy.
	Selector map[string]string
	Rules    []*JWTRule
	Pos      diag.Pos
}

// Key is namespace/name.
func (a *RequestAuthentication) Key() string { return a.Namespace + "/" + a.Name }

// JWTRule is one issuer of tokens.
type JWTRule struct {
	Issuer string
	// Audiences of which a token must name one; empty asks for none.
	Audiences []string
	// JWKS are the issuer's public keys, as JSON; or Remote is where proxies fetch them.
	JWKS   string
	Remote *RemoteJWKS
	// FromHeaders, FromParams and FromCookies are where tokens are looked for; without any, in "Authorization: Bearer" and in the parameter
	// access_token.
	FromHeaders             []JWTHeader
	FromParams, FromCookies []string
	// PayloadHeader takes the claims as base64url; empty is none. ClaimHeaders take one claim each.
	PayloadHeader string
	ClaimHeaders  []ClaimHeader
	// Forward leaves the token in the request.
	Forward bool
	Pos     diag.Pos
}

// RemoteJWKS is a service of the mesh that has an issuer's public keys.
type RemoteJWKS struct {
	// URI as it is written; Host and Port are the service's.
	URI, Host string
	Port      uint32
	// Timeout of a fetch; Refresh is the time until the next one. What was fetched last is kept until another fetch succeeds.
	Timeout, Refresh time.Duration
}

// JWTHeader is a header with a token behind a prefix.
type JWTHeader struct{ Name, Prefix string }

// ClaimHeader is a header that takes a claim; one that a client sends itself is removed.
type ClaimHeader struct{ Header, Claim string }

// WithRequestAuthentication gives the snapshot with the rule added, or replaced by its key.
func (s Snapshot) WithRequestAuthentication(a *RequestAuthentication) Snapshot {
	s = s.WithoutRequestAuthentication(a.Key())
	s.RequestAuthentications = s.RequestAuthentications.Set(a.Key(), a)
	s.tokens = addRule(s.tokens, a.Namespace, a)
	return s
}

// WithoutRequestAuthentication gives the snapshot without the rule.
func (s Snapshot) WithoutRequestAuthentication(key string) Snapshot {
	if a := s.RequestAuthentications.At(key); a != nil {
		s.RequestAuthentications = s.RequestAuthentications.Delete(key)
		s.tokens = dropRule(s.tokens, a.Namespace, a)
	}
	return s
}

// Tokens gives the rules for a workload: those of the root namespace, then those of its own, by name.
func (s Snapshot) Tokens(namespace string, labels map[string]string) []*RequestAuthentication {
	return selecting(s, s.tokens, namespace, func(a *RequestAuthentication) bool { return Labels(labels, a.Selector) })
}
