package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
)

// boundServer is a server of a gateway that a proxy's labels fit.
type boundServer struct {
	gateway *model.Gateway
	server  *model.Server
}

// servers are those of a port, by their gateways.
func (p *proxy) servers(port uint32) (out []boundServer) {
	for _, g := range p.mesh.snap.Gateways.All() {
		if !model.Labels(p.workload.Labels, g.Selector) {
			continue
		}
		for _, s := range g.Servers {
			if s.Port == port {
				out = append(out, boundServer{g, s})
			}
		}
	}
	return out
}

// GatewayPort is where loads reach gateways.
const GatewayPort = 8080

// boundRule is a rule that holds for a host at a gateway.
type boundRule struct {
	rule    *model.VirtualService
	gateway string
}

// gatewayRoute finds the virtual host of a message's authority, whose port does not count, and goes through its rules in order.
func (p *proxy) gatewayRoute(id messageID) *resolved {
	authority := strings.ToLower(p.mesh.message(id).Authority)
	if i := strings.LastIndexByte(authority, ':'); i >= 0 {
		authority = authority[:i]
	}
	for _, b := range p.rulesFor(authority) {
		caller := match.Caller{Gateway: b.gateway, Namespace: p.workload.Namespace, Labels: p.workload.Labels, Port: GatewayPort}
		r, _ := p.byRule(b.rule, caller, id, func(h *model.HTTPRoute) (hostPort, []*model.LeasedFault) {
			// Faults of scenarios stand on a route by the first service that it leads to.
			if len(h.Destinations) == 0 {
				return hostPort{authority, GatewayPort}, nil
			}
			first := h.Destinations[0]
			return hostPort{first.Host, p.mesh.portOf(first.Host, first.Port, GatewayPort)}, p.mesh.leased(first.Host)
		})
		if r != nil {
			return r
		}
	}
	return nil
}

// rulesFor gives the rules of the virtual host that an authority falls into: an exact one, else the longest *.suffix, else *.
func (p *proxy) rulesFor(authority string) []boundRule {
	hosts := map[string][]boundRule{}
	for _, b := range p.servers(GatewayPort) {
		for _, rule := range p.mesh.snap.GatewayRules(b.gateway.Key()) {
			for _, h := range rule.Hosts {
				if host := b.server.Serves(h, rule.Namespace); host != "" {
					hosts[host] = append(hosts[host], boundRule{rule, b.gateway.Key()})
				}
			}
		}
	}
	for _, pattern := range model.HostPatterns(authority) {
		if rules, ok := hosts[pattern]; ok {
			return rules
		}
	}
	return nil
}

// tcpRoute gives the destinations of connections to a port of a gateway, or nil if it is closed.
func (p *proxy) tcpRoute(port uint32) *resolved {
	for _, b := range p.servers(port) {
		if b.server.Protocol != model.TCP {
			continue
		}
		for _, rule := range p.mesh.snap.GatewayRules(b.gateway.Key()) {
			for _, route := range rule.TCP {
				if l4Applies(route, b.gateway.Key(), port) {
					return p.tcpResolved(route.Destinations, port)
				}
			}
		}
	}
	return nil
}

func l4Applies(route *model.TCPRoute, gateway string, port uint32) bool {
	return len(route.Match) == 0 || slices.ContainsFunc(route.Match, func(m *model.L4Match) bool {
		return (m.Port == 0 || m.Port == port) && (len(m.Gateways) == 0 || slices.Contains(m.Gateways, gateway))
	})
}

func (p *proxy) tcpResolved(list []*model.Destination, port uint32) *resolved {
	r := &resolved{operation: fmt.Sprintf("tcp:%d", port)}
	for _, d := range list {
		c := choice{weight: d.Weight}
		if len(list) == 1 {
			c.weight = 1
		}
		to := p.mesh.portOf(d.Host, d.Port, port)
		c.name, c.cluster = clusterName(to, d.Subset, d.Host), p.cluster(hostPort{d.Host, to}, d.Subset)
		r.choices = append(r.choices, c)
		r.total += c.weight
	}
	return r
}
