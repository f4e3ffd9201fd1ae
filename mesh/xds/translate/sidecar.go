package translate

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/squallmesh/squall/mesh/model"
)

// ensureOwn makes the nodes of what one proxy alone has.
func (t *Translator) ensureOwn(p *proxyState) {
	id := p.proxy.ID
	t.ensure(nodeID{ownProvider, id, ""}, &p.own, func(r *reader) { r.provider(p.proxy.Workload) })
	t.ensure(nodeID{ownTokens, id, ""}, &p.own, func(r *reader) { r.tokens(p.proxy.Workload) })
	t.ensure(nodeID{ownQuotas, id, ""}, &p.own, func(r *reader) { r.quotas(p.proxy.Workload) })
	if p.proxy.Kind == model.Router {
		t.ensure(nodeID{gatewayPorts, id, ""}, &p.own, func(r *reader) { buildGateway(r, p.proxy) })
		return
	}
	t.ensure(nodeID{ownInbound, id, ""}, &p.own, func(r *reader) { buildInbound(r, p.proxy) })
	t.ensure(nodeID{ownOutbound, id, ""}, &p.own, func(r *reader) { buildOutbound(r, p.proxy) })
}

// buildInbound gives listener, routes and cluster of each port that the sidecar accepts for its app.
func buildInbound(r *reader, p *model.Proxy) {
	if r.mesh().Capture == model.CaptureRedirect {
		buildCapturedInbound(r, p)
		return
	}
	modes := r.modes(p)
	for _, in := range inboundPorts(p) {
		r.inboundCluster(in)
		const direction = corev3.TrafficDirection_INBOUND
		name := "inbound_" + listenerName(in.Listen)
		cluster := InboundCluster(in.App.Port)
		l := newListener(name, in.Listen, direction)
		l.FilterChains = r.chains(inboundChain{
			name: cluster, mode: modes.Port(in.App.Port), http: in.Protocol.IsHTTP(), filters: r.inboundFilters(p, in, inboundStat(in.Listen.Port), cluster),
		})
		inspectTLS(l)
		r.add(Listener, name, l)
		if in.Protocol.IsHTTP() {
			r.add(Route, cluster, r.inboundRoutes(p, in, cluster))
		}
	}
}

// modes are those of a sidecar's own workload.
func (r *reader) modes(p *model.Proxy) model.MTLS {
	m := r.mtls(p.Workload.Namespace, p.Workload.Labels)
	for _, rule := range m.Rules {
		r.from(rule.Pos)
	}
	return m
}

// inboundStat begins the counters of a port's requests: the same name however traffic reaches the sidecar, and Istio's.
func inboundStat(port uint32) string { return fmt.Sprintf("inbound_0.0.0.0_%d", port) }

// inboundFilters are what a sidecar does with the connections to a port of its app.
func (r *reader) inboundFilters(p *model.Proxy, in model.Inbound, stat, cluster string) func(mutual bool) []*listenerv3.Filter {
	const direction = corev3.TrafficDirection_INBOUND
	return func(mutual bool) []*listenerv3.Filter {
		if !in.Protocol.IsHTTP() {
			return append(r.authorizeTCP(p.Workload, stat), r.oneTCP(stat, direction, cluster))
		}
		return []*listenerv3.Filter{r.httpFilter(connectionManager{statPrefix: stat, table: cluster, direction: direction, mutual: mutual})}
	}
}

// inboundPorts are those at which the app listens, each once.
func inboundPorts(p *model.Proxy) []model.Inbound {
	var out []model.Inbound
	seen := map[model.Socket]bool{}
	for _, in := range p.Workload.Inbound {
		if in.Protocol != model.UDP && !seen[in.App] {
			seen[in.App] = true
			out = append(out, in)
		}
	}
	return out
}

func (r *reader) inboundCluster(in model.Inbound) {
	name := InboundCluster(in.App.Port)
	c := r.newCluster(name)
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	c.CircuitBreakers = thresholds(nil, nil)
	applyPool(c, nil, in.Protocol)
	c.LoadAssignment = &endpointv3.ClusterLoadAssignment{
		ClusterName: name,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: socket(in.App)}},
		}}}},
	}
	r.add(Cluster, name, c)
}

// inboundRoutes leads every request to the app. Requests that surely did not reach it are tried twice more, except
// for gRPC; Istio's default.
func (r *reader) inboundRoutes(p *model.Proxy, in model.Inbound, table string) *routev3.RouteConfiguration {
	action := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: table},
		Timeout:          duration(0),
	}
	if in.Protocol != model.GRPC {
		action.RetryPolicy = &routev3.RetryPolicy{RetryOn: "reset-before-request", NumRetries: wrapU32(2)}
	}
	rc := &routev3.RouteConfiguration{
		Name: table,
		VirtualHosts: []*routev3.VirtualHost{{
			Name:    fmt.Sprintf("inbound|http|%d", in.App.Port),
			Domains: []string{"*"},
			Routes: []*routev3.Route{{
				Name:      "default",
				Match:     routeMatch(nil),
				Decorator: &routev3.Decorator{Operation: operation(in.Host, in.Port)},
				Action:    &routev3.Route_Route{Route: action},
			}},
		}},
	}
	r.authorize(rc, p.Workload)
	return rc
}

// buildOutbound gives the listeners through which an app reaches others when it uses its sidecar knowingly: the HTTP
// proxy, and one for each TCP service (capture: proxy).
func buildOutbound(r *reader, p *model.Proxy) {
	if r.mesh().Capture == model.CaptureRedirect {
		r.virtualOutbound()
		return
	}
	const direction = corev3.TrafficDirection_OUTBOUND
	w := p.Workload
	if w.ProxyPort != 0 {
		at := model.Socket{Address: w.Address, Port: w.ProxyPort}
		r.add(Listener, HTTPProxyTable, newListener(HTTPProxyTable, at, direction, r.httpFilter(connectionManager{
			statPrefix: "outbound_" + HTTPProxyTable, table: HTTPProxyTable, direction: direction, tunnels: true,
		})))
	}
	for _, o := range w.Outbound {
		at := hostPort{host: o.Host, port: o.Port, gateway: model.MeshGateway}
		name := listenerName(o.Listen)
		l := newListener(name, o.Listen, direction, r.tcpRouteFilter("outbound_"+name, direction, at))
		r.routeTLS(l, "outbound_"+name, at)
		r.add(Listener, name, l)
	}
}

func (r *reader) tcpRouteFilter(stat string, direction corev3.TrafficDirection, at hostPort) *listenerv3.Filter {
	destinations := []*model.Destination{{Host: at.host, Port: at.port}}
	if rule := r.meshRule(at.host); rule != nil {
		if d := r.tcpDestinations(rule, at); d != nil {
			r.from(rule.Pos)
			destinations = d
		}
	}
	return r.tcpFilter(stat, direction, destinations, func(d *model.Destination) string {
		return r.clusterOf(d.Host, d.Subset, d.Port, at)
	})
}

// routeTLS lets a rule's TLS routes send connections of an app by the name that it asks for; all others go as before.
func (r *reader) routeTLS(l *listenerv3.Listener, stat string, at hostPort) {
	rule := r.meshRule(at.host)
	if rule == nil || len(rule.TLS) == 0 {
		return
	}
	l.FilterChains = append(r.sniChains(rule, at, stat, nil, func(string) bool { return true }), l.FilterChains...)
	inspectTLS(l)
}

func (r *reader) tcpDestinations(rule *model.VirtualService, at hostPort) []*model.Destination {
	for _, route := range rule.TCP {
		if len(route.Match) == 0 {
			return route.Destinations
		}
		for _, m := range route.Match {
			if r.applies(rule, m.Gateways, m.SourceLabels, m.SourceNamespace, m.Port, at) {
				return route.Destinations
			}
		}
	}
	return nil
}
