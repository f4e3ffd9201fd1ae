package config

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"

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
	switch {
	case in.Jwks != "" && in.JwksUri != "":
		r.errorf("EXCLUSIVE-FIELDS", path+".jwksUri", "jwks and jwksUri exclude one another")
		r.hint("keep one of the two")
	case in.Jwks != "":
		r.jwks(in.Jwks, path+".jwks")
	case in.JwksUri != "":
		out.Remote = r.remoteJWKS(in, path)
	default:
		r.missing(path+".jwks", "a rule needs the issuer's public keys")
		r.hint("write them inline: jwks: '{\"keys\": [...]}', or say where they are: jwksUri")
	}
	if in.Timeout != nil && in.JwksUri == "" {
		r.errorf("EXCLUSIVE-FIELDS", path+".timeout", "a timeout is for jwksUri alone")
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

// How long a fetch of keys may take, and when the next one is (Istio's).
const (
	jwksTimeout = 5 * time.Second
	jwksRefresh = 20 * time.Minute
)

// remoteJWKS reads where keys are: proxies fetch them themselves, from a service of the mesh, so that nothing outside of it is asked.
func (r reporter) remoteJWKS(in *security.JWTRule, path string) *model.RemoteJWKS {
	at := path + ".jwksUri"
	u, err := url.Parse(in.JwksUri)
	switch {
	case err == nil && u.User != nil: // not printed
		r.errorf("BAD-URI", at, "an address of keys holds no password")
		return nil
	case err != nil || u.Host == "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https":
		r.errorf("BAD-URI", at, "%q is no address of keys", shorten(in.JwksUri))
		r.hint("http://issuer.example/.well-known/jwks.json")
		return nil
	case u.Scheme == "https":
		r.errorf("UNSUPPORTED-FIELD", at, "keys are fetched by http alone: calls in the mesh have mutual TLS of their own")
		r.hint("for an issuer outside of the mesh write the keys inline in jwks")
		return nil
	}
	out := &model.RemoteJWKS{URI: in.JwksUri, Host: r.build.host(u.Hostname(), r.doc.Namespace), Port: 80, Timeout: jwksTimeout, Refresh: jwksRefresh}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			r.errorf("BAD-PORT", at, "a port lies between 1 and 65535; this is %q", shorten(p))
			return nil
		}
		out.Port = uint32(n)
	}
	if in.Timeout != nil {
		out.Timeout = r.duration(in.Timeout, path+".timeout", false)
	}
	svc := r.build.services.At(out.Host)
	if svc == nil {
		r.errorf("UNKNOWN-HOST", at, "no service has the full name %q", shorten(out.Host))
		r.hint("%s", r.build.suggest(u.Hostname(), r.doc.Namespace))
		return nil
	}
	for _, p := range svc.Ports {
		if p.Number == out.Port {
			if !p.Protocol.IsHTTP() {
				r.errorf("WRONG-PROTOCOL", at, "keys are fetched by HTTP, and port %d of %s speaks %s", out.Port, out.Host, p.Protocol)
			}
			return out
		}
	}
	r.errorf("UNKNOWN-PORT", at, "%s has no port %d", out.Host, out.Port)
	return nil
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
	b.snap = settleRules(b.snap, b.snap.RequestAuthentications, want, model.Snapshot.WithRequestAuthentication, model.Snapshot.WithoutRequestAuthentication)
}
