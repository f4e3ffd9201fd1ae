package translate

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/squallmesh/squall/mesh/model"
)

// jwtTypeURL is the type of the configuration of the filter that checks tokens.
const jwtTypeURL = urlPrefix + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"

// discovered is a filter whose configuration is a resource of its own (ECDS), which open connections obey too.
func discovered(name, typeURL string) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_ConfigDiscovery{ConfigDiscovery: &corev3.ExtensionConfigSource{
		ConfigSource: ads(), TypeUrls: []string{typeURL},
	}}}
}

// tokens gives the configuration of a proxy's filter that checks tokens: each issuer's token must hold if it is there, and none must be.
func (r *reader) tokens(w *model.Workload) {
	r.note(partTokens, w.Namespace)
	r.note(partTokens, r.mesh().RootNamespace)
	out := &jwtv3.JwtAuthentication{}
	var any []*jwtv3.JwtRequirement
	for _, a := range r.t.snap.Tokens(w.Namespace, w.Labels) {
		r.from(a.Pos)
		for i, rule := range a.Rules {
			name := fmt.Sprintf("%s/%s/%d", a.Namespace, a.Name, i)
			if out.Providers == nil {
				out.Providers = map[string]*jwtv3.JwtProvider{}
			}
			out.Providers[name] = provider(rule)
			// A gateway may route by claims, which are known only now.
			out.Providers[name].ClearRouteCache = r.scope.kind == model.Router
			any = append(any, &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_ProviderName{ProviderName: name}})
		}
	}
	if len(any) > 0 {
		any = append(any, &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_AllowMissing{AllowMissing: &emptypb.Empty{}}})
		out.Rules = []*jwtv3.RequirementRule{{
			Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
			RequirementType: &jwtv3.RequirementRule_Requires{Requires: &jwtv3.JwtRequirement{
				RequiresType: &jwtv3.JwtRequirement_RequiresAny{RequiresAny: &jwtv3.JwtRequirementOrList{Requirements: any}},
			}},
		}}
	}
	r.add(Extension, jwtFilter, &corev3.TypedExtensionConfig{Name: jwtFilter, TypedConfig: packed(out)})
}

func provider(rule *model.JWTRule) *jwtv3.JwtProvider {
	p := &jwtv3.JwtProvider{
		Issuer: rule.Issuer, Audiences: rule.Audiences, Forward: rule.Forward, FromParams: rule.FromParams, FromCookies: rule.FromCookies,
		ForwardPayloadHeader: rule.PayloadHeader, PayloadInMetadata: claimsPayload,
		JwksSourceSpecifier: &jwtv3.JwtProvider_LocalJwks{LocalJwks: inline(rule.JWKS)},
	}
	if rule.Remote != nil {
		p.JwksSourceSpecifier = &jwtv3.JwtProvider_RemoteJwks{RemoteJwks: remoteJWKS(rule.Remote)}
	}
	for _, h := range rule.FromHeaders {
		p.FromHeaders = append(p.FromHeaders, &jwtv3.JwtHeader{Name: h.Name, ValuePrefix: h.Prefix})
	}
	for _, h := range rule.ClaimHeaders {
		p.ClaimToHeaders = append(p.ClaimToHeaders, &jwtv3.JwtClaimToHeader{HeaderName: h.Header, ClaimName: h.Claim})
	}
	return p
}

// remoteJWKS has the proxy fetch keys before they are needed. Until the first fetch succeeds no token holds; later the last good keys do.
func remoteJWKS(k *model.RemoteJWKS) *jwtv3.RemoteJwks {
	return &jwtv3.RemoteJwks{
		HttpUri: &corev3.HttpUri{
			Uri: k.URI, Timeout: duration(k.Timeout), HttpUpstreamType: &corev3.HttpUri_Cluster{Cluster: OutboundCluster(k.Port, "", k.Host)},
		},
		CacheDuration: duration(k.Refresh),
		AsyncFetch:    &jwtv3.JwksAsyncFetch{FastListener: true},
	}
}
