package translate

import (
	"fmt"
	"maps"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	originaldstv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// The kernel redirects connections here; the numbers, and the names of what listens, are Istio's.
const (
	VirtualOutboundPort = 15001
	VirtualInboundPort  = 15006
)

// InboundSource is the address from which a sidecar calls its own app, so that the kernel lets the call pass (Istio's).
const InboundSource = "127.0.0.6"

// passes says whether connections to what no service stands for go on to where they were meant to. A sidecar that is an HTTP
// proxy would have to ask a resolver outside the lab, so it refuses in any case.
func passes(m *model.Mesh) bool { return m.Capture == model.CaptureRedirect && !m.RegistryOnly }

// virtualOutbound takes what an app sends, and hands each connection to the listener of its own destination.
func (r *reader) virtualOutbound() {
	const direction = corev3.TrafficDirection_OUTBOUND
	cluster := BlackHoleCluster
	if passes(r.mesh()) {
		cluster = PassthroughCluster
	}
	l := newListener("virtualOutbound", model.Socket{Address: "0.0.0.0", Port: VirtualOutboundPort}, direction, r.oneTCP(cluster, direction, cluster))
	l.UseOriginalDst = wrapperspb.Bool(true)
	r.add(Listener, l.GetName(), l)
}

// buildPortListener gives the listener that HTTP services of one port share: which of them is meant, the request's host says.
func buildPortListener(r *reader, port uint32) {
	at := model.Socket{Address: "0.0.0.0", Port: port}
	handedOver(r, newListener(listenerName(at), at, corev3.TrafficDirection_OUTBOUND, r.httpFilter(connectionManager{
		statPrefix: "outbound_" + listenerName(at),
		table:      tableName(port),
		direction:  corev3.TrafficDirection_OUTBOUND,
	})))
}

// buildTCPListeners gives a listener for each port of a service that is not HTTP: at the service's own address, or for tunnels to it.
func buildTCPListeners(r *reader, host string) {
	svc := r.service(host)
	tunnels := r.mesh().Capture == model.CaptureProxy
	if svc == nil || svc.Address == "" && !tunnels {
		return
	}
	for _, p := range svc.Ports {
		if p.Protocol.IsHTTP() || p.Protocol == model.UDP {
			continue
		}
		const direction = corev3.TrafficDirection_OUTBOUND
		called, stat := hostPort{host: host, port: p.Number, gateway: model.MeshGateway}, OutboundCluster(p.Number, "", host)
		filter := r.tcpRouteFilter(stat, direction, called)
		if tunnels {
			l := internalListener(connectTo(host, p.Number), filter)
			r.routeTLS(l, stat, called)
			r.tunnel(l)
			continue
		}
		at := model.Socket{Address: svc.Address, Port: p.Number}
		l := newListener(listenerName(at), at, direction, filter)
		r.routeTLS(l, stat, called)
		handedOver(r, l)
	}
}

// handedOver adds a listener that has no socket of its own: virtualOutbound gives it its connections.
func handedOver(r *reader, l *listenerv3.Listener) {
	l.BindToPort = wrapperspb.Bool(false)
	r.add(Listener, l.GetName(), l)
}

// buildCapturedInbound gives the one listener to which the kernel redirects what comes for an app, with a filter chain for each
// of the app's ports, and their routes and clusters.
func buildCapturedInbound(r *reader, p *model.Proxy) {
	const direction = corev3.TrafficDirection_INBOUND
	l := newListener("virtualInbound", model.Socket{Address: "0.0.0.0", Port: VirtualInboundPort}, direction)
	l.FilterChains = nil
	l.ListenerFilters = []*listenerv3.ListenerFilter{{
		Name:       "envoy.filters.listener.original_dst",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: packed(&originaldstv3.OriginalDst{})},
	}}
	modes := r.modes(p)
	others := maps.Clone(modes.Ports)
	for _, in := range inboundPorts(p) {
		cluster := InboundCluster(in.App.Port)
		c := r.toOriginal(cluster)
		applyPool(c, nil, in.Protocol)
		c.UpstreamBindConfig = fromInboundSource()
		r.add(Cluster, cluster, c)
		if in.Protocol.IsHTTP() {
			r.add(Route, cluster, r.inboundRoutes(p, in, cluster))
		}
		l.FilterChains = append(l.FilterChains, r.chains(inboundChain{
			name: cluster, port: in.App.Port, mode: modes.Port(in.App.Port), http: in.Protocol.IsHTTP(), filters: r.inboundFilters(p, in, inboundStat(in.App.Port), cluster),
		})...)
		delete(others, in.App.Port)
	}
	passed := func(bool) []*listenerv3.Filter {
		return append(r.authorizeTCP(p.Workload, InboundPassthroughCluster), r.oneTCP(InboundPassthroughCluster, direction, InboundPassthroughCluster))
	}
	for _, port := range slices.Sorted(maps.Keys(others)) {
		l.FilterChains = append(l.FilterChains, r.chains(inboundChain{
			name: fmt.Sprintf("virtualInbound-%d", port), port: port, mode: others[port], filters: passed,
		})...)
	}
	const rest = "virtualInbound-catchall"
	chains := r.chains(inboundChain{name: rest, mode: modes.Mode, filters: passed})
	if last := len(chains) - 1; chains[last].GetName() == rest {
		l.DefaultFilterChain = chains[last]
		l.DefaultFilterChain.FilterChainMatch = nil
		chains = chains[:last]
	}
	l.FilterChains = append(l.FilterChains, chains...)
	inspectTLS(l)
	r.add(Listener, l.GetName(), l)
}

// oneTCP sends connections to one cluster.
func (r *reader) oneTCP(stat string, direction corev3.TrafficDirection, cluster string) *listenerv3.Filter {
	return r.tcpFilter(stat, direction, []*model.Destination{nil}, func(*model.Destination) string { return cluster })
}

// passthroughClusters lead to where a connection was meant to go before the kernel redirected it.
func (r *reader) passthroughClusters() {
	r.add(Cluster, PassthroughCluster, r.toOriginal(PassthroughCluster))
	if r.scope.kind != model.Sidecar {
		return
	}
	in := r.toOriginal(InboundPassthroughCluster)
	in.UpstreamBindConfig = fromInboundSource()
	r.add(Cluster, InboundPassthroughCluster, in)
}

func (r *reader) toOriginal(name string) *clusterv3.Cluster {
	c := r.newCluster(name)
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_ORIGINAL_DST}
	c.LbPolicy = clusterv3.Cluster_CLUSTER_PROVIDED
	c.CircuitBreakers = thresholds(nil, nil)
	return c
}

func fromInboundSource() *corev3.BindConfig {
	return &corev3.BindConfig{SourceAddress: &corev3.SocketAddress{
		Address: InboundSource, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 0},
	}}
}
