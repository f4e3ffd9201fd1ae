package eval

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"

	"github.com/squallmesh/squall/mesh/xds/translate"
)

// findListener finds the listener of a request, and the one that captured its connection: the one that is named; else
// the HTTP proxy of a sidecar whose app knows it; else the listener of the connection's address and port, or of the port at
// any address, to which a captured connection is handed over; else what takes all captured connections. A gateway has one
// with a socket of its own on the port.
func (c *Config) findListener(req *Request) (l, via *listenerv3.Listener, err error) {
	if req.Listener != "" {
		for _, l := range c.Listeners {
			if l.GetName() == req.Listener {
				return l, nil, nil
			}
		}
		return nil, nil, fmt.Errorf("there is no listener %q; there are %s", req.Listener, strings.Join(c.listenerNames(), ", "))
	}
	var onPort, exact *listenerv3.Listener
	for _, l := range c.Listeners {
		if l.GetTrafficDirection() == corev3.TrafficDirection_INBOUND {
			continue
		}
		at := l.GetAddress().GetSocketAddress()
		switch {
		case l.GetName() == translate.HTTPProxyTable:
			return l, nil, nil
		case l.GetUseOriginalDst().GetValue():
			via = l
		case at.GetPortValue() != req.Port:
		case at.GetAddress() == req.Address && req.Address != "":
			exact = l
		case wildcard(at.GetAddress()) || bound(l) && req.Address == "":
			onPort = l
		}
	}
	if exact != nil {
		onPort = exact
	}
	switch {
	case onPort != nil && (via == nil || !bound(onPort)):
		return onPort, via, nil
	case via != nil:
		return via, nil, nil
	case onPort != nil:
		return onPort, nil, nil
	}
	return nil, nil, fmt.Errorf("no listener takes connections to port %d; there are %s", req.Port, strings.Join(c.listenerNames(), ", "))
}

func bound(l *listenerv3.Listener) bool {
	return l.GetBindToPort() == nil || l.GetBindToPort().GetValue()
}

func wildcard(address string) bool { return address == "0.0.0.0" || address == "::" }

func (c *Config) listenerNames() []string {
	var out []string
	for _, l := range c.Listeners {
		out = append(out, l.GetName())
	}
	return out
}

// filterChain picks the chain of a plain-text HTTP connection. Envoy narrows by the destination's port first, then by its
// address, the server name, the transport and the application protocols; a chain that asks for less is taken if none asks
// for more.
func filterChain(l *listenerv3.Listener, req *Request) (*listenerv3.FilterChain, error) {
	var best *listenerv3.FilterChain
	bestRank := -1
	for _, chain := range l.GetFilterChains() {
		rank, err := chainRank(chain.GetFilterChainMatch(), req)
		if err != nil {
			return nil, fmt.Errorf("listener %s: %w", l.GetName(), err)
		}
		if rank > bestRank {
			best, bestRank = chain, rank
		}
	}
	if best == nil {
		best = l.GetDefaultFilterChain()
	}
	if best == nil {
		return nil, fmt.Errorf("listener %s: no filter chain takes this connection", l.GetName())
	}
	return best, nil
}

// chainRank is -1 if a chain does not take the connection.
func chainRank(m *listenerv3.FilterChainMatch, req *Request) (int, error) {
	if len(m.GetSourcePrefixRanges()) > 0 || len(m.GetDirectSourcePrefixRanges()) > 0 || len(m.GetSourcePorts()) > 0 ||
		m.GetSourceType() != listenerv3.FilterChainMatch_ANY {
		return -1, errors.New("a filter chain asks for the connection's source, which is not evaluated here")
	}
	rank := 0
	if p := m.GetDestinationPort(); p != nil {
		if p.GetValue() != req.Port {
			return -1, nil
		}
		rank += 1 << 12
	}
	if ranges := m.GetPrefixRanges(); len(ranges) > 0 {
		longest := -1
		for _, r := range ranges {
			if inRange(r, req.Address) {
				longest = max(longest, int(r.GetPrefixLen().GetValue()))
			}
		}
		if longest < 0 {
			return -1, nil
		}
		rank += (longest + 1) << 4
	}
	if len(m.GetServerNames()) > 0 {
		return -1, nil // plain text has none
	}
	if t := m.GetTransportProtocol(); t != "" {
		if t != "raw_buffer" {
			return -1, nil
		}
		rank += 2
	}
	if ps := m.GetApplicationProtocols(); len(ps) > 0 {
		if !slices.ContainsFunc(ps, func(p string) bool { return strings.HasPrefix(p, "http/1") }) {
			return -1, nil
		}
		rank++
	}
	return rank, nil
}

func inRange(r *corev3.CidrRange, address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	from, err := netip.ParseAddr(r.GetAddressPrefix())
	return err == nil && netip.PrefixFrom(from, int(r.GetPrefixLen().GetValue())).Contains(a)
}

// network finds what reads the chain's bytes: a connection manager for HTTP, or a TCP proxy.
func network(chain *listenerv3.FilterChain) (*hcmv3.HttpConnectionManager, *tcpproxyv3.TcpProxy, error) {
	for _, f := range chain.GetFilters() {
		var hcm hcmv3.HttpConnectionManager
		var tcp tcpproxyv3.TcpProxy
		switch {
		case f.GetTypedConfig().MessageIs(&hcm):
			return &hcm, nil, f.GetTypedConfig().UnmarshalTo(&hcm)
		case f.GetTypedConfig().MessageIs(&tcp):
			return nil, &tcp, f.GetTypedConfig().UnmarshalTo(&tcp)
		}
	}
	return nil, nil, errors.New("it holds neither HTTP nor a TCP proxy")
}
