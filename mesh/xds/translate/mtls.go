package translate

import (
	"fmt"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	rawbufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// Names of secrets and of where a proxy gets its own: a workload's certificate and key come from the agent beside it, over a cluster of the
// bootstrap; the roots that it trusts come with everything else. The names are Istio's.
const (
	WorkloadSecret = "default"
	RootSecret     = "ROOTCA"
	SDSCluster     = "sds-grpc"
)

// meshALPN is what sidecars offer to one another, by which a listener tells mTLS of the mesh from TLS of the app (Istio's).
const meshALPN = "istio"

// Metadata by which a cluster with auto mTLS picks how it calls an endpoint.
const (
	socketMatch  = "envoy.transport_socket_match"
	tlsModeLabel = "tlsMode"
	tlsModeIstio = "istio"
	matchMTLS    = "tlsMode-istio"
	matchPlain   = "tlsMode-disabled"
	// detectionWindow is how long a listener waits for the first bytes of a connection.
	detectionWindow = 5 * time.Second
)

// identified reports whether workloads have identities.
func (r *reader) identified() bool {
	r.note(partTrust, "")
	return r.t.snap.Trust != nil
}

// mtls is what a workload's sidecar takes.
func (r *reader) mtls(namespace string, labels map[string]string) model.MTLS {
	r.note(partPeers, namespace)
	r.note(partPeers, r.mesh().RootNamespace)
	return r.t.snap.MTLS(namespace, labels)
}

// identities are those that may answer for a host.
func (r *reader) identities(host string) []string {
	r.note(partIdentities, host)
	if i := r.t.snap.Identities.At(host); i != nil {
		return i.List
	}
	return nil
}

// buildTrust gives the secret with the roots, and what was revoked.
func buildTrust(r *reader) {
	if !r.identified() {
		return
	}
	trust := r.t.snap.Trust
	validation := &tlsv3.CertificateValidationContext{TrustedCa: inline(trust.Roots)}
	if trust.CRL != "" {
		validation.Crl = inline(trust.CRL)
		validation.OnlyVerifyLeafCertCrl = true // with an intermediate and one list, every handshake would fail without
	}
	r.add(Secret, RootSecret, &tlsv3.Secret{
		Name: RootSecret, Type: &tlsv3.Secret_ValidationContext{ValidationContext: validation},
	})
}

func inline(text string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: text}}
}

// applyMTLS makes calls to services of the mesh mTLS: always where a rule says ISTIO_MUTUAL; where no rule says anything, to those endpoints
// that take it (Istio's auto mTLS).
func (r *reader) applyMTLS(c *clusterv3.Cluster, svc *model.Service, p model.Port, subset string, t *model.ClientTLS) {
	if !r.identified() || t != nil && t.Mode != model.TLSIstio || t == nil && (svc.External || svc.Resolution == model.None) {
		return
	}
	sni := fmt.Sprintf("outbound_.%d_.%s_.%s", p.Number, subset, svc.Host)
	names := r.identities(svc.Host)
	if t != nil {
		if t.SNI != "" {
			sni = t.SNI
		}
		if len(t.SubjectAltNames) > 0 {
			names = t.SubjectAltNames
		}
	}
	alpn := []string{meshALPN}
	if p.Protocol.IsHTTP2() {
		alpn = append(alpn, "h2")
	}
	mutual := tlsSocket(&tlsv3.UpstreamTlsContext{CommonTlsContext: r.meshTLS(exactNames(names), alpn), Sni: sni})
	if t != nil {
		c.TransportSocket = mutual
		return
	}
	c.TransportSocketMatches = []*clusterv3.Cluster_TransportSocketMatch{
		{Name: matchMTLS, Match: tlsModes(), TransportSocket: mutual},
		{Name: matchPlain, Match: &structpb.Struct{}, TransportSocket: &corev3.TransportSocket{
			Name:       "envoy.transport_sockets.raw_buffer",
			ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(&rawbufferv3.RawBuffer{})},
		}},
	}
}

func tlsModes() *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{tlsModeLabel: structpb.NewStringValue(tlsModeIstio)}}
}

// tlsMode marks an endpoint that takes mTLS; nil for one that does not, or that is no workload of the mesh.
func (r *reader) tlsMode(e model.Endpoint, port uint32) *corev3.Metadata {
	namespace, _, found := strings.Cut(e.Workload, "/")
	if !found || e.Gateway || !r.identified() || r.mtls(namespace, e.Labels).Port(port) == model.MTLSDisable {
		return nil
	}
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{socketMatch: tlsModes()}}
}

// meshTLS is what both sides of mTLS have in common: the workload's own certificate, and peers whose certificate leads to a root and has
// one of the names; without names, any identity of the trust domain.
func (r *reader) meshTLS(names []*tlsv3.SubjectAltNameMatcher, alpn []string) *tlsv3.CommonTlsContext {
	if len(names) == 0 {
		names = []*tlsv3.SubjectAltNameMatcher{uriName(&matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "spiffe://" + r.mesh().TrustDomain + "/"},
		})}
	}
	return &tlsv3.CommonTlsContext{
		TlsParams: &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3},
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{
			Name: WorkloadSecret,
			SdsConfig: &corev3.ConfigSource{
				ResourceApiVersion:  corev3.ApiVersion_V3,
				InitialFetchTimeout: duration(0),
				ConfigSourceSpecifier: &corev3.ConfigSource_ApiConfigSource{ApiConfigSource: &corev3.ApiConfigSource{
					ApiType: corev3.ApiConfigSource_GRPC, TransportApiVersion: corev3.ApiVersion_V3, SetNodeOnFirstMessageOnly: true,
					GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
						EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: SDSCluster},
					}}},
				}},
			},
		}},
		ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{
			CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext:         &tlsv3.CertificateValidationContext{MatchTypedSubjectAltNames: names},
				ValidationContextSdsSecretConfig: &tlsv3.SdsSecretConfig{Name: RootSecret, SdsConfig: ads()},
			},
		},
		AlpnProtocols: alpn,
	}
}

func exactNames(names []string) []*tlsv3.SubjectAltNameMatcher {
	var out []*tlsv3.SubjectAltNameMatcher
	for _, n := range names {
		out = append(out, uriName(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: n}}))
	}
	return out
}

func uriName(m *matcherv3.StringMatcher) *tlsv3.SubjectAltNameMatcher {
	return &tlsv3.SubjectAltNameMatcher{SanType: tlsv3.SubjectAltNameMatcher_URI, Matcher: m}
}

// inboundChain is what a listener does with the connections to one port, or to all others (port 0).
type inboundChain struct {
	name string
	port uint32
	mode model.MTLSMode
	http bool
	// filters of connections with mTLS, and of others.
	filters func(mutual bool) []*listenerv3.Filter
}

// chains gives the filter chains of a port. The chain of mTLS is the same in STRICT and PERMISSIVE, so that going from one to the other
// touches no connection that has it.
func (r *reader) chains(in inboundChain) []*listenerv3.FilterChain {
	match := func(transport string, alpn ...string) *listenerv3.FilterChainMatch {
		m := &listenerv3.FilterChainMatch{TransportProtocol: transport, ApplicationProtocols: alpn}
		if in.port != 0 {
			m.DestinationPort = wrapU32(in.port)
		}
		return m
	}
	plain := &listenerv3.FilterChain{Name: in.name, Filters: in.filters(false)}
	if in.port != 0 {
		plain.FilterChainMatch = match("")
	}
	if !r.identified() || in.mode == model.MTLSDisable {
		return []*listenerv3.FilterChain{plain}
	}
	alpn := []string{meshALPN}
	if in.http {
		alpn = []string{"h2", "http/1.1"}
	}
	socket := tlsSocket(&tlsv3.DownstreamTlsContext{
		CommonTlsContext: r.meshTLS(nil, alpn), RequireClientCertificate: wrapperspb.Bool(true),
	})
	mutual := &listenerv3.FilterChain{
		Name: in.name + "~mtls", FilterChainMatch: match("tls", meshALPN), Filters: in.filters(true), TransportSocket: socket,
	}
	if in.mode == model.MTLSStrict {
		// Callers of other makes that have an identity, too.
		return []*listenerv3.FilterChain{mutual, {
			Name: in.name + "~strict", FilterChainMatch: match("tls"), Filters: in.filters(true), TransportSocket: socket,
		}}
	}
	if in.http {
		return []*listenerv3.FilterChain{mutual, plain}
	}
	// TLS of the app's own: Envoy that has found a chain for TLS looks at none that does not ask for it.
	opaque := &listenerv3.FilterChain{Name: in.name + "~tls", FilterChainMatch: match("tls"), Filters: in.filters(false)}
	return []*listenerv3.FilterChain{mutual, opaque, plain}
}

// inspectTLS makes a listener look whether a connection begins with TLS, if one of its chains asks.
func inspectTLS(l *listenerv3.Listener) {
	for _, c := range l.GetFilterChains() {
		if c.GetFilterChainMatch().GetTransportProtocol() != "" {
			l.ListenerFilters = append(l.ListenerFilters, &listenerv3.ListenerFilter{
				Name:       "envoy.filters.listener.tls_inspector",
				ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: packed(&tlsinspectorv3.TlsInspector{})},
			})
			l.ListenerFiltersTimeout = duration(detectionWindow)
			l.ContinueOnListenerFiltersTimeout = true
			return
		}
	}
}
