package config

import (
	"net/netip"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

func (c *routes) tcpRoute(in *networking.TCPRoute, path string) *model.TCPRoute {
	out := &model.TCPRoute{Destinations: c.connections(in.Route, path+".route"), Pos: c.pos(path)}
	for i, m := range in.Match {
		p := at(path+".match", i)
		out.Match = append(out.Match, &model.L4Match{
			Subnets: c.subnets(m.DestinationSubnets, p+".destinationSubnets"), Port: c.matchPort(m.Port, p+".port"),
			SourceLabels: copyLabels(m.SourceLabels), SourceNamespace: m.SourceNamespace,
			Gateways: c.matchGateways(m.Gateways, p+".gateways"), Pos: c.pos(p),
		})
	}
	return out
}

func (c *routes) tlsRoute(in *networking.TLSRoute, path string) *model.TLSRoute {
	out := &model.TLSRoute{Destinations: c.connections(in.Route, path+".route"), Pos: c.pos(path)}
	if len(in.Match) == 0 {
		c.missing(path+".match", "a tls route needs a match with sniHosts")
	}
	for i, m := range in.Match {
		p := at(path+".match", i)
		out.Match = append(out.Match, &model.L4Match{
			SNIHosts: c.sniHosts(m.SniHosts, p+".sniHosts"),
			Subnets:  c.subnets(m.DestinationSubnets, p+".destinationSubnets"), Port: c.matchPort(m.Port, p+".port"),
			SourceLabels: copyLabels(m.SourceLabels), SourceNamespace: m.SourceNamespace,
			Gateways: c.matchGateways(m.Gateways, p+".gateways"), Pos: c.pos(p),
		})
	}
	return out
}

// connections converts the shares of a TCP or TLS route.
func (c *routes) connections(in []*networking.RouteDestination, path string) []*model.Destination {
	if len(in) == 0 {
		c.missing(path, "a route needs destinations")
	}
	var out []*model.Destination
	weights := make([]int32, 0, len(in))
	for i, d := range in {
		out = append(out, c.destination(d.Destination, d.Weight, at(path, i)))
		weights = append(weights, d.Weight)
	}
	c.weights(weights, path)
	return out
}

// sniHosts checks that the names asked for by TLS are covered by the rule's hosts.
func (c *routes) sniHosts(in []string, path string) []string {
	if len(in) == 0 {
		c.missing(path, "a tls match needs sniHosts")
	}
	for i, sni := range in {
		p := at(path, i)
		switch {
		case !validHost(sni):
			c.errorf("BAD-HOST", p, "%q is no host", shorten(sni))
		case !slices.ContainsFunc(c.in.Hosts, func(h string) bool { return covers(h, sni) || covers(c.host(h, c.doc.Namespace), sni) }):
			c.errorf("BAD-SNI", p, "the name %q is not among the rule's hosts", sni)
			c.hint("add it to spec.hosts")
		}
	}
	return slices.Clone(in)
}

// covers reports whether a host or wildcard stands for a name or a narrower wildcard.
func covers(host, name string) bool {
	return host == "*" || host == name || strings.HasPrefix(host, "*") && strings.HasSuffix(name, host[1:])
}

func (c *routes) subnets(in []string, path string) []string {
	var out []string
	for i, s := range in {
		if prefix, err := netip.ParsePrefix(s); err == nil {
			out = append(out, prefix.Masked().String())
		} else if addr, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()).String())
		} else {
			c.errorf("BAD-VALUE", at(path, i), "%q is no subnet", shorten(s))
			c.hint("write 10.1.0.0/16")
		}
	}
	return out
}

func (c *routes) matchPort(port uint32, path string) uint32 {
	if port > 65535 {
		c.port(port, path)
	}
	return port
}
