package config

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4"
	security "istio.io/api/security/v1beta1"

	"github.com/squallmesh/squall/mesh/model"
)

func (b *build) requestAuthentication(doc *Document) *model.RequestAuthentication {
	in := doc.message.(*security.RequestAuthentication)
	r := b.reporter(doc)
	out := &model.RequestAuthentication{
		Name: doc.Name, Namespace: doc.Namespace, Selector: copyLabels(in.Selector.GetMatchLabels()), Pos: doc.Pos,
	}
	for i, rule := range in.JwtRules {
		out.Rules = append(out.Rules, r.jwtRule(rule, at("spec.jwtRules", i)))
	}
	return out
}

func (r reporter) jwtRule(in *security.JWTRule, path string) *model.JWTRule {
	out := &model.JWTRule{
		Issuer: in.Issuer, Audiences: slices.Clone(in.Audiences), JWKS: in.Jwks, FromParams: slices.Clone(in.FromParams),
		FromCookies: slices.Clone(in.FromCookies), PayloadHeader: in.OutputPayloadToHeader, Forward: in.ForwardOriginalToken, Pos: r.pos(path),
	}
	if in.Issuer == "" {
		r.missing(path+".issuer", "a rule needs the issuer of its tokens")
	}
	if in.Jwks == "" {
		r.missing(path+".jwks", "a rule needs the issuer's public keys")
		r.hint("write them inline: jwks: '{\"keys\": [...]}'")
	} else {
		r.jwks(in.Jwks, path+".jwks")
	}
	for i, h := range in.FromHeaders {
		p := at(path+".fromHeaders", i)
		if !headerToken.MatchString(h.Name) {
			r.errorf("BAD-NAME", p+".name", "%q is no name of a header", shorten(h.Name))
		}
		out.FromHeaders = append(out.FromHeaders, model.JWTHeader{Name: h.Name, Prefix: h.Prefix})
	}
	for i, h := range in.OutputClaimToHeaders {
		p := at(path+".outputClaimToHeaders", i)
		if !headerToken.MatchString(h.Header) {
			r.errorf("BAD-NAME", p+".header", "%q is no name of a header", shorten(h.Header))
		}
		if h.Claim == "" {
			r.missing(p+".claim", "which claim?")
		}
		out.ClaimHeaders = append(out.ClaimHeaders, model.ClaimHeader{Header: h.Header, Claim: h.Claim})
	}
	if in.OutputPayloadToHeader != "" && !headerToken.MatchString(in.OutputPayloadToHeader) {
		r.errorf("BAD-NAME", path+".outputPayloadToHeader", "%q is no name of a header", shorten(in.OutputPayloadToHeader))
	}
	return out
}

// jwks checks keys that Envoy would otherwise refuse, or that must not be there.
func (r reporter) jwks(text, path string) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(text), &set); err != nil || len(set.Keys) == 0 {
		r.errorf("BAD-JWKS", path, "this is no set of public keys (RFC 7517)")
		r.hint(`{"keys": [{"kty": ...}]}; squall token --jwks prints one`)
		return
	}
	for _, k := range set.Keys {
		if !k.IsPublic() {
			r.errorf("BAD-JWKS", path, "the set holds a private or a symmetric key (kid %q): whoever reads the rules could make tokens", shorten(k.KeyID))
			r.hint("keep private keys out of rules, and throw this one away")
		}
	}
}

func (b *build) requestAuthentications() {
	want := map[string]*model.RequestAuthentication{}
	for _, doc := range b.set.ofKind(kindRequestAuthentication) {
		b.of(doc, func() {
			a := b.requestAuthentication(doc)
			want[a.Key()] = a
		})
	}
	for key, old := range b.snap.RequestAuthentications.All() {
		if want[key] == nil || same(old, want[key]) != old {
			b.snap = b.snap.WithoutRequestAuthentication(key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if b.snap.RequestAuthentications.At(key) == nil {
			b.snap = b.snap.WithRequestAuthentication(want[key])
		}
	}
}
