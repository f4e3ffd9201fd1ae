package translate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// gatewayTLS adds the listener of a port whose servers take TLS: a filter chain for each server, or for each route of one that opens nothing,
// picked by the name that the client asks for (SNI). A port where nothing is served stays closed.
func (r *reader) gatewayTLS(name string, at model.Socket, p *model.Proxy, servers []boundServer) {
	const direction = corev3.TrafficDirection_OUTBOUND
	l := newListener(name, at, direction)
	l.FilterChains, l.StatPrefix = nil, name
	tables := map[string]boundServer{}
	for _, b := range servers {
		switch {
		case !b.server.TLS.Ends():
			l.FilterChains = append(l.FilterChains, r.passthroughChains(name, p.Workload, b)...)
		case b.server.Protocol == model.TLS:
			if f := r.gatewayTCP(name, []boundServer{b}, at.Port); f != nil {
				filters := append(r.authorizeTCP(p.Workload, "outbound_"+name), f)
				l.FilterChains = append(l.FilterChains, r.serverChain(b, filters...))
			}
		default:
			table := fmt.Sprintf("https.%d.%s.%s.%s", b.server.Port, b.server.PortName, b.gateway.Name, b.gateway.Namespace)
			l.FilterChains = append(l.FilterChains, r.serverChain(b, r.httpFilter(connectionManager{
				statPrefix: "outbound_" + name, table: table, direction: direction, edge: true, mutual: b.server.TLS.AsksClient(),
			})))
			tables[table] = b
		}
	}
	if len(l.GetFilterChains()) == 0 {
		return
	}
	l.ListenerFilters = []*listenerv3.ListenerFilter{{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: packed(&tlsinspectorv3.TlsInspector{})},
	}}
	l.ListenerFiltersTimeout = duration(detectionWindow)
	r.add(Listener, name, l)
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		rc := r.gatewayTable(table, []boundServer{tables[table]}, at.Port)
		r.authorize(rc, p.Workload)
		r.add(Route, table, rc)
	}
}

// serverChain takes the connections to a server's hosts, and ends TLS.
func (r *reader) serverChain(b boundServer, filters ...*listenerv3.Filter) *listenerv3.FilterChain {
	var hosts []string
	for _, h := range b.server.Hosts {
		hosts = append(hosts, h.Host)
	}
	return &listenerv3.FilterChain{
		Name:             fmt.Sprintf("%s.%s.%s", b.server.PortName, b.gateway.Name, b.gateway.Namespace),
		FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: serverNames(hosts), TransportProtocol: "tls"},
		Filters:          filters,
		TransportSocket:  tlsSocket(r.serverTLS(b.server)),
	}
}

// serverNames are Envoy's for hosts; none is any.
func serverNames(hosts []string) []string {
	var out []string
	for _, h := range hosts {
		if h == "*" {
			return nil
		}
		out = append(out, h)
	}
	return out
}

func (r *reader) serverTLS(s *model.Server) *tlsv3.DownstreamTlsContext {
	t := s.TLS
	var alpn []string
	if s.Protocol == model.HTTPS {
		alpn = []string{"h2", "http/1.1"}
	}
	out := &tlsv3.DownstreamTlsContext{}
	if t.Mode == model.ServerIstioMutual {
		out.CommonTlsContext = r.meshTLS(exactNames(t.SubjectAltNames), append(alpn, meshALPN))
	} else {
		out.CommonTlsContext = &tlsv3.CommonTlsContext{
			TlsParams: &tlsv3.TlsParameters{}, TlsCertificateSdsSecretConfigs: certificateOf(t.Credential), AlpnProtocols: alpn,
		}
		if t.AsksClient() {
			out.CommonTlsContext.ValidationContextType = authoritiesOf(t.Credential, dnsNames(t.SubjectAltNames))
		}
	}
	out.CommonTlsContext.TlsParams = tlsParameters(t)
	out.RequireClientCertificate = wrapperspb.Bool(t.Mode == model.ServerMutual || t.Mode == model.ServerIstioMutual)
	return out
}

func tlsParameters(t *model.ServerTLS) *tlsv3.TlsParameters {
	version := func(name string, otherwise tlsv3.TlsParameters_TlsProtocol) tlsv3.TlsParameters_TlsProtocol {
		if v, ok := tlsv3.TlsParameters_TlsProtocol_value[strings.Replace(name, "TLSV", "TLSv", 1)]; ok {
			return tlsv3.TlsParameters_TlsProtocol(v)
		}
		return otherwise
	}
	return &tlsv3.TlsParameters{
		TlsMinimumProtocolVersion: version(t.MinVersion, tlsv3.TlsParameters_TLSv1_2),
		TlsMaximumProtocolVersion: version(t.MaxVersion, tlsv3.TlsParameters_TLSv1_3),
		CipherSuites:              t.CipherSuites,
	}
}

// dnsNames compares names in a certificate, of whichever kind a name is: a URI has a scheme.
func dnsNames(names []string) []*tlsv3.SubjectAltNameMatcher {
	var out []*tlsv3.SubjectAltNameMatcher
	for _, n := range names {
		for _, kind := range []tlsv3.SubjectAltNameMatcher_SanType{tlsv3.SubjectAltNameMatcher_DNS, tlsv3.SubjectAltNameMatcher_URI} {
			out = append(out, &tlsv3.SubjectAltNameMatcher{
				SanType: kind, Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: n}},
			})
		}
	}
	return out
}

// passthroughChains gives a chain for each match of the TLS routes that are bound to a server, which send on what they cannot read.
func (r *reader) passthroughChains(name string, w *model.Workload, b boundServer) []*listenerv3.FilterChain {
	var out []*listenerv3.FilterChain
	r.note(partGatewayRules, b.gateway.Key())
	at := hostPort{port: b.server.Port, gateway: b.gateway.Key()}
	for _, rule := range r.t.snap.GatewayRules(b.gateway.Key()) {
		served := func(sni string) bool { return b.server.Serves(sni, rule.Namespace) == sni }
		out = append(out, r.sniChains(rule, at, "outbound_"+name, w, served)...)
	}
	return out
}

// sniChains gives a chain for each match of a rule's TLS routes that holds for a caller, with the names that are served.
func (r *reader) sniChains(
	rule *model.VirtualService, at hostPort, stat string, w *model.Workload, served func(sni string) bool,
) []*listenerv3.FilterChain {
	var out []*listenerv3.FilterChain
	for _, route := range rule.TLS {
		for _, m := range route.Match {
			if !r.applies(rule, m.Gateways, m.SourceLabels, m.SourceNamespace, m.Port, at) {
				continue
			}
			var names []string
			for _, sni := range m.SNIHosts {
				if served(sni) {
					names = append(names, sni)
				}
			}
			if len(names) == 0 {
				continue
			}
			r.from(route.Pos)
			var filters []*listenerv3.Filter
			if w != nil {
				filters = r.authorizeTCP(w, stat)
			}
			filters = append(filters, r.tcpFilter(stat, corev3.TrafficDirection_OUTBOUND, route.Destinations, func(d *model.Destination) string {
				return r.clusterOf(d.Host, d.Subset, d.Port, at)
			}))
			out = append(out, &listenerv3.FilterChain{
				Name:             fmt.Sprintf("%s.%s.%d", rule.Namespace, rule.Name, len(out)),
				FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: serverNames(names), TransportProtocol: "tls"},
				Filters:          filters,
			})
		}
	}
	return out
}
