package jwt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/squallmesh/squall/mesh/model"
)

// algorithms that Envoy verifies with public keys.
var algorithms = []jose.SignatureAlgorithm{
	jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

// skew is by how much clocks may differ: Envoy's.
const skew = time.Minute

// token is one that was found in a request.
type token struct {
	text string
	// issuers that look for tokens at this place.
	issuers []string
	at      place
}

// parsed is what a token says.
type parsed struct {
	algorithm, key string
	claims         map[string]any
}

var errForm = errors.New(badFormat)

// parse reads header and payload, and looks at no signature.
func (t token) parse() (*parsed, error) {
	parts := strings.Split(t.text, ".")
	if len(parts) != 3 {
		return nil, errForm
	}
	var header struct {
		Algorithm string `json:"alg"`
		Key       string `json:"kid"`
	}
	out := &parsed{}
	if err := errors.Join(decode(parts[0], &header), decode(parts[1], &out.claims)); err != nil {
		return nil, errForm
	}
	out.algorithm, out.key = header.Algorithm, header.Key
	return out, nil
}

func decode(part string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.NewDecoder(bytes.NewReader(data)).Decode(into)
}

// issuer is who the token says that it is from, or "".
func (t token) issuer() string {
	p, err := t.parse()
	if err != nil {
		return ""
	}
	issuer, _ := p.claims["iss"].(string)
	return issuer
}

// verify gives the claims of a token that holds under a rule, or Envoy's reason why it does not.
func (t token) verify(rule *model.JWTRule, now time.Time) (reason string, claims map[string]any) {
	p, err := t.parse()
	if err != nil {
		return badFormat, nil
	}
	if !slices.Contains(algorithms, jose.SignatureAlgorithm(p.algorithm)) {
		return badAlgorithm, nil
	}
	issuer, _ := p.claims["iss"].(string)
	if !slices.Contains(t.issuers, issuer) {
		return unknownIssuer, nil
	}
	if at, ok := p.claims["nbf"].(float64); ok && now.Add(skew).Before(time.Unix(int64(at), 0)) {
		return notYet, nil
	}
	if at, ok := p.claims["exp"].(float64); ok && now.After(time.Unix(int64(at), 0).Add(skew)) {
		return expired, nil
	}
	if !meant(rule.Audiences, p.claims["aud"]) {
		return wrongAudience, nil
	}
	return t.signed(p, rule.JWKS), p.claims
}

// signed tries the keys of a rule that a token may be signed with; "" is one that fits.
func (t token) signed(p *parsed, jwks string) string {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(jwks), &set); err != nil {
		return noKey // the reader of rules has found it
	}
	signed, err := jose.ParseSignedCompact(t.text, algorithms)
	if err != nil {
		return badFormat
	}
	reason := noKey
	for _, k := range set.Keys {
		if p.key != "" && k.KeyID != "" && k.KeyID != p.key || k.Algorithm != "" && k.Algorithm != p.algorithm {
			continue
		}
		if _, err := signed.Verify(k.Key); err == nil {
			return ""
		}
		reason = badVerification
	}
	return reason
}

// meant tells whether a token is for one of the audiences; without any it is for everybody.
func meant(audiences []string, claim any) bool {
	if len(audiences) == 0 {
		return true
	}
	var have []string
	switch v := claim.(type) {
	case string:
		have = []string{v}
	case []any:
		for _, one := range v {
			if s, ok := one.(string); ok {
				have = append(have, s)
			}
		}
	}
	return slices.ContainsFunc(audiences, func(want string) bool {
		return slices.ContainsFunc(have, func(h string) bool { return plain(h) == plain(want) })
	})
}

// plain is an audience as Envoy compares it: without a scheme and a slash at its end.
func plain(audience string) string {
	audience = strings.TrimPrefix(strings.TrimPrefix(audience, "https://"), "http://")
	return strings.TrimSuffix(audience, "/")
}
