package translate

import (
	"fmt"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/squallmesh/squall/mesh/model"
)

const (
	providerFilter  = "envoy.filters.http.ext_authz"
	providerTypeURL = urlPrefix + "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
	// customPrefix begins what the filter of CUSTOM policies leaves for the next one (Istio's).
	customPrefix = "istio_ext_authz_"
	rbacMetadata = "envoy.filters.http.rbac"
)

// provider gives the configuration of the filter that asks a provider, about requests that a CUSTOM policy matches.
func (r *reader) provider(w *model.Workload) {
	out := &extauthzv3.ExtAuthz{
		TransportApiVersion: corev3.ApiVersion_V3,
		Services:            &extauthzv3.ExtAuthz_GrpcService{GrpcService: grpcService(controlPlaneCluster, "", 0)},
		FilterEnabled:       &corev3.RuntimeFractionalPercent{DefaultValue: fraction(0)},
	}
	for _, p := range r.authorizations(w) { // all CUSTOM ones have the same provider
		provider := r.mesh().Provider(p.Provider)
		if p.Action != model.Custom || provider == nil {
			continue
		}
		r.from(p.Pos)
		r.from(provider.Pos)
		out = asking(provider)
	}
	r.add(Extension, providerFilter, &corev3.TypedExtensionConfig{Name: providerFilter, TypedConfig: packed(out)})
}

func asking(p *model.ExtensionProvider) *extauthzv3.ExtAuthz {
	out := &extauthzv3.ExtAuthz{
		TransportApiVersion: corev3.ApiVersion_V3,
		FailureModeAllow:    p.FailOpen,
		StatusOnError:       &typev3.HttpStatus{Code: typev3.StatusCode(p.StatusOnError)},
		ClearRouteCache:     p.ClearRouteCache,
		FilterEnabledMetadata: &matcherv3.MetadataMatcher{
			Filter: rbacMetadata,
			Path:   []*matcherv3.MetadataMatcher_PathSegment{{Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: customPrefix + "shadow_effective_policy_id"}}},
			Value:  &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_StringMatch{StringMatch: textMatch("ns[*", "")}},
		},
	}
	if b := p.Body; b != nil {
		out.WithRequestBody = &extauthzv3.BufferSettings{MaxRequestBytes: b.MaxBytes, AllowPartialMessage: b.AllowPartial, PackAsBytes: b.Bytes}
	}
	cluster := OutboundCluster(p.Port, "", p.Host)
	if p.GRPC {
		out.Services = &extauthzv3.ExtAuthz_GrpcService{GrpcService: grpcService(cluster, fmt.Sprintf("%s:%d", p.Host, p.Port), p.Timeout)}
		return out
	}
	out.AllowedHeaders = headerNames(p.RequestHeaders)
	h := &extauthzv3.HttpService{
		ServerUri: &corev3.HttpUri{
			Uri:              fmt.Sprintf("http://%s:%d", p.Host, p.Port),
			HttpUpstreamType: &corev3.HttpUri_Cluster{Cluster: cluster}, Timeout: duration(p.Timeout),
		},
		PathPrefix: p.PathPrefix,
		AuthorizationResponse: &extauthzv3.AuthorizationResponse{
			AllowedUpstreamHeaders:        headerNames(p.UpstreamOnAllow),
			AllowedClientHeaders:          headerNames(p.DownstreamOnDeny),
			AllowedClientHeadersOnSuccess: headerNames(p.DownstreamOnAllow),
		},
	}
	if len(p.AdditionalHeaders) > 0 {
		h.AuthorizationRequest = &extauthzv3.AuthorizationRequest{}
		for _, a := range p.AdditionalHeaders {
			h.AuthorizationRequest.HeadersToAdd = append(h.AuthorizationRequest.HeadersToAdd, &corev3.HeaderValue{Key: a.Name, Value: a.Value})
		}
	}
	out.Services = &extauthzv3.ExtAuthz_HttpService{HttpService: h}
	return out
}

// grpcService is one behind a cluster; without a timeout its callers have one of their own.
func grpcService(cluster, authority string, timeout time.Duration) *corev3.GrpcService {
	g := &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: cluster, Authority: authority}}}
	if timeout > 0 {
		g.Timeout = duration(timeout)
	}
	return g
}

// headerNames match "exact", "prefix*", "*suffix" or "*", without regard to case; nil for none.
func headerNames(list []string) *matcherv3.ListStringMatcher {
	if len(list) == 0 {
		return nil
	}
	out := &matcherv3.ListStringMatcher{}
	for _, name := range list {
		m := textMatch(strings.ToLower(name), "")
		if name != "*" {
			m.IgnoreCase = true
		}
		out.Patterns = append(out.Patterns, m)
	}
	return out
}
