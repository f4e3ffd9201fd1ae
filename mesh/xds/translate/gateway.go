package translate

import (
	"fmt"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// boundServer is a server of a gateway that a proxy's labels fit.
type boundServer struct {
	gateway *model.Gateway
	server  *model.Server
}

// buildGateway gives a gateway proxy a listener and a route table for each port that some Gateway opens.
func buildGateway(r *reader, p *model.Proxy) {
	r.note(partGateway, "")
	ports := map[uint32][]boundServer{}
	var order []uint32
	for _, g := range r.t.snap.Gateways.All() {
		if !model.Labels(p.Workload.Labels, g.Selector) {
			continue
		}
		for _, s := range g.Servers {
			if ports[s.Port] == nil {
				order = append(order, s.Port)
			}
			ports[s.Port] = append(ports[s.Port], boundServer{g, s})
		}
	}
	slices.Sort(order)
	for _, port := range order {
		at := model.Socket{Address: p.Workload.Address, Port: port}
		table := fmt.Sprintf("http.%d", port)
		for _, b := range ports[port] {
			r.from(b.server.Pos)
		}
		name := fmt.Sprintf("0.0.0.0_%d", port)
		if ports[port][0].server.TLS != nil {
			r.gatewayTLS(name, at, p, ports[port])
			continue
		}
		if ports[port][0].server.Protocol == model.TCP {
			if f := r.gatewayTCP(name, ports[port], port); f != nil {
				filters := append(r.authorizeTCP(p.Workload, "outbound_"+name), f)
				r.add(Listener, name, newListener(name, at, corev3.TrafficDirection_OUTBOUND, filters...))
			}
			continue
		}
		r.add(Listener, name, newListener(name, at, corev3.TrafficDirection_OUTBOUND, r.httpFilter(connectionManager{
			statPrefix: "outbound_" + name, table: table, direction: corev3.TrafficDirection_OUTBOUND, edge: true,
		})))
		rc := r.gatewayTable(table, ports[port], port)
		r.authorize(rc, p.Workload)
		r.add(Route, table, rc)
	}
}

// gatewayTCP sends a port's connections where the first rule says that is bound to it, or gives nil without such a rule: the port
// stays closed.
func (r *reader) gatewayTCP(name string, servers []boundServer, port uint32) *listenerv3.Filter {
	for _, b := range servers {
		r.note(partGatewayRules, b.gateway.Key())
		for _, rule := range r.t.snap.GatewayRules(b.gateway.Key()) {
			at := hostPort{port: port, gateway: b.gateway.Key()}
			if d := r.tcpDestinations(rule, at); d != nil {
				r.from(rule.Pos)
				return r.tcpFilter("outbound_"+name, corev3.TrafficDirection_OUTBOUND, d, func(d *model.Destination) string {
					return r.clusterOf(d.Host, d.Subset, d.Port, at)
				})
			}
		}
	}
	return nil
}

func (r *reader) gatewayTable(name string, servers []boundServer, port uint32) *routev3.RouteConfiguration {
	hosts := map[string]*routev3.VirtualHost{}
	var order []string
	for _, b := range servers {
		r.note(partGatewayRules, b.gateway.Key())
		for _, rule := range r.t.snap.GatewayRules(b.gateway.Key()) {
			for _, h := range rule.Hosts {
				host := b.server.Serves(h, rule.Namespace)
				if host == "" {
					continue
				}
				vh := hosts[host]
				if vh == nil {
					vh = &routev3.VirtualHost{
						Name:                       fmt.Sprintf("%s:%d", host, port),
						Domains:                    []string{host},
						IncludeRequestAttemptCount: true,
					}
					if b.server.HTTPSRedirect {
						vh.RequireTls = routev3.VirtualHost_ALL
					}
					hosts[host] = vh
					order = append(order, host)
				}
				vh.Routes = append(vh.Routes, r.gatewayRoutes(rule, host, port, b.gateway.Key())...)
			}
		}
	}
	slices.Sort(order)
	rc := &routev3.RouteConfiguration{
		Name:                           name,
		ValidateClusters:               wrapperspb.Bool(false),
		MaxDirectResponseBodySizeBytes: wrapperspb.UInt32(1 << 20),
		IgnorePortInHostMatching:       true,
	}
	for _, h := range order {
		if len(hosts[h].GetRoutes()) > 0 {
			rc.VirtualHosts = append(rc.VirtualHosts, hosts[h])
		}
	}
	return rc
}

// gatewayRoutes gives a rule's routes at a gateway. Faults of scenarios stand on a route by the first service it
// leads to, since callers of the gateway name any host.
func (r *reader) gatewayRoutes(rule *model.VirtualService, host string, port uint32, gateway string) []*routev3.Route {
	r.from(rule.Pos)
	called := hostPort{host: host, port: port, gateway: gateway}
	var out []*routev3.Route
	for _, h := range rule.HTTP {
		at := called
		var leased []*model.LeasedFault
		if len(h.Destinations) > 0 {
			first := h.Destinations[0]
			leased = r.faults(first.Host)
			at.host, at.port = first.Host, r.portOf(first.Host, first.Port, called)
		}
		if len(h.Match) == 0 {
			return append(out, r.route(h, nil, at, leased))
		}
		for _, m := range h.Match {
			if r.applies(rule, m.Gateways, m.SourceLabels, m.SourceNamespace, m.Port, called) {
				out = append(out, r.route(h, m, at, leased))
			}
		}
	}
	return out
}
