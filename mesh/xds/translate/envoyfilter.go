package translate

import (
	"slices"
	"strconv"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"

	"github.com/squallmesh/squall/mesh/model"
)

// EnvoyFilters are applied last, to each resource as it is added: a resource that no patch is for is what it was, and keeps its pointer. What a
// patch matches is Istio's (pilot/pkg/networking/core/envoyfilter).

const (
	hcmFilter    = "envoy.filters.network.http_connection_manager"
	routerFilter = "envoy.filters.http.router"
	tcpFilterTCP = "envoy.filters.network.tcp_proxy"
)

// patchesOf gives the patches for a scope's proxies, in order. They are looked for once for each snapshot.
func (t *Translator) patchesOf(s *scope) []*model.EnvoyPatch {
	if t.snap.EnvoyFilters.Len() == 0 {
		return nil
	}
	if s.patchesFor != t.patchVersion {
		s.patchesFor, s.patches = t.patchVersion, t.snap.Patches(s.namespace, s.labels)
	}
	return s.patches
}

// updatePatches makes dirty what new, other or gone patches may be for.
func (t *Translator) updatePatches(c model.Changes) {
	if len(c.EnvoyFilters) == 0 {
		return
	}
	t.patchVersion++
	clear(t.patched)
	root := slices.Contains(c.EnvoyFilters, t.snap.Mesh.RootNamespace)
	for id, n := range t.nodes { // into a set
		s := t.scopes[id.owner]
		if p := t.proxies[id.owner]; p != nil {
			s = p.scope
		}
		if s != nil && (root || slices.Contains(c.EnvoyFilters, s.namespace)) {
			t.dirty[id] = n
		}
	}
}

// patch gives a resource as the EnvoyFilters of its proxies want it; nil takes it away.
func (r *reader) patch(typ Type, msg proto.Message) proto.Message {
	if typ != Cluster && typ != Listener && typ != Route {
		return msg
	}
	patches := r.t.patchesOf(r.scope)
	if len(patches) == 0 {
		return msg
	}
	switch m := proto.Clone(msg).(type) {
	case *clusterv3.Cluster:
		return r.patchCluster(m, patches)
	case *listenerv3.Listener:
		return r.patchListener(m, patches)
	case *routev3.RouteConfiguration:
		r.patchRoutes(m, patches)
		return m
	}
	return msg
}

// done notes that a patch found what it is for.
func (r *reader) done(p *model.EnvoyPatch) {
	r.t.patched[p] = true
	r.from(p.Pos)
}

// sideOf says on which side of its proxy a resource is.
func (r *reader) sideOf(inbound bool) model.PatchContext {
	switch {
	case r.scope.kind != model.Sidecar:
		return model.PatchGateway
	case inbound:
		return model.PatchInbound
	}
	return model.PatchOutbound
}

func (r *reader) sided(p *model.EnvoyPatch, inbound bool) bool {
	return p.Context == model.PatchAny || p.Context == r.sideOf(inbound)
}

func (r *reader) patchCluster(c *clusterv3.Cluster, patches []*model.EnvoyPatch) proto.Message {
	name := c.GetName()
	direction, port, subset, host, _ := ParseCluster(name)
	inbound := direction == "inbound" || name == InboundPassthroughCluster
	for _, p := range patches {
		m := p.Cluster
		if p.Target != model.PatchCluster || p.Operation == model.PatchAdd || !r.sided(p, inbound) ||
			m.Name != "" && m.Name != name || m.Port != 0 && m.Port != port || m.Subset != "" && m.Subset != subset || m.Service != "" && m.Service != host {
			continue
		}
		if p.Operation == model.PatchRemove {
			r.done(p)
			return nil
		}
		if mergeInto(c, valueOf[clusterv3.Cluster](p)) {
			r.done(p)
		}
	}
	return c
}

// buildAdded gives the clusters and listeners that patches add.
func buildAdded(r *reader) {
	for _, p := range r.t.patchesOf(r.scope) {
		if p.Operation != model.PatchAdd || p.Context != model.PatchAny && (p.Context == model.PatchGateway) != (r.scope.kind != model.Sidecar) {
			continue
		}
		switch p.Target {
		case model.PatchCluster:
			r.done(p)
			c := valueOf[clusterv3.Cluster](p)
			r.plain(Cluster, c.GetName(), c)
		case model.PatchListener:
			r.done(p)
			l := valueOf[listenerv3.Listener](p)
			r.plain(Listener, l.GetName(), l)
		case model.PatchFilterChain, model.PatchNetworkFilter, model.PatchHTTPFilter, model.PatchRouteTable, model.PatchVirtualHost, model.PatchHTTPRoute:
		}
	}
}

func (r *reader) patchListener(l *listenerv3.Listener, patches []*model.EnvoyPatch) proto.Message {
	inbound := l.GetTrafficDirection() == corev3.TrafficDirection_INBOUND
	each := func(target model.PatchTarget, do func(*model.EnvoyPatch)) {
		for _, p := range patches {
			if p.Target == target && r.sided(p, inbound) && listenerFits(l, p) {
				do(p)
			}
		}
	}
	gone := false
	each(model.PatchListener, func(p *model.EnvoyPatch) {
		switch p.Operation {
		case model.PatchRemove:
			r.done(p)
			gone = true
		case model.PatchMerge:
			if mergeInto(l, valueOf[listenerv3.Listener](p)) {
				r.done(p)
			}
		case model.PatchAdd, model.PatchReplace, model.PatchInsertFirst, model.PatchInsertBefore, model.PatchInsertAfter:
		}
	})
	if gone {
		return nil
	}
	each(model.PatchFilterChain, func(p *model.EnvoyPatch) { r.patchChains(l, p) })
	if len(l.GetFilterChains()) == 0 && l.GetDefaultFilterChain() == nil {
		return nil // Envoy takes no listener without any
	}
	for _, target := range []model.PatchTarget{model.PatchNetworkFilter, model.PatchHTTPFilter} {
		each(target, func(p *model.EnvoyPatch) {
			for _, c := range allChains(l) {
				if !chainFits(l, c, p) {
					continue
				}
				if target == model.PatchHTTPFilter {
					r.patchHTTPFilters(c, p)
					continue
				}
				named := func(f *listenerv3.Filter) bool { return f.GetName() == p.Listener.Filter }
				if changed, ok := patchList(c.GetFilters(), p, p.Listener.Filter != "", named, terminal); ok {
					c.Filters = changed
					r.done(p)
				}
			}
		})
	}
	return l
}

// terminal filters end their chains: what is added comes before them.
func terminal(f *listenerv3.Filter) bool {
	return f.GetName() == hcmFilter || f.GetName() == tcpFilterTCP
}

func (r *reader) patchHTTPFilters(c *listenerv3.FilterChain, p *model.EnvoyPatch) {
	for _, f := range c.GetFilters() {
		if f.GetName() != hcmFilter || p.Listener.Filter != "" && p.Listener.Filter != hcmFilter {
			continue
		}
		hcm := &hcmv3.HttpConnectionManager{}
		if f.GetTypedConfig().UnmarshalTo(hcm) != nil {
			continue
		}
		named := func(f *hcmv3.HttpFilter) bool { return f.GetName() == p.Listener.HTTPFilter }
		last := func(f *hcmv3.HttpFilter) bool { return f.GetName() == routerFilter }
		if changed, ok := patchList(hcm.GetHttpFilters(), p, p.Listener.HTTPFilter != "", named, last); ok {
			hcm.HttpFilters = changed
			f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: packed(hcm)}
			r.done(p)
		}
	}
}

func (r *reader) patchChains(l *listenerv3.Listener, p *model.EnvoyPatch) {
	if p.Operation == model.PatchAdd {
		l.FilterChains = append(l.FilterChains, valueOf[listenerv3.FilterChain](p))
		r.done(p)
		return
	}
	if c := l.GetDefaultFilterChain(); c != nil && chainFits(l, c, p) {
		if p.Operation == model.PatchRemove {
			l.DefaultFilterChain = nil
			r.done(p)
		} else if mergeInto(c, valueOf[listenerv3.FilterChain](p)) {
			r.done(p)
		}
	}
	fits := func(c *listenerv3.FilterChain) bool { return chainFits(l, c, p) }
	if changed, ok := patchList(l.GetFilterChains(), p, true, fits, nil); ok {
		l.FilterChains = changed
		r.done(p)
	}
}

func allChains(l *listenerv3.Listener) []*listenerv3.FilterChain {
	out := slices.Clone(l.GetFilterChains())
	if c := l.GetDefaultFilterChain(); c != nil {
		out = append(out, c)
	}
	return out
}

// virtual listeners serve all ports: those of a patch are their chains'.
func virtual(l *listenerv3.Listener) bool { return strings.HasPrefix(l.GetName(), "virtual") }

func listenerFits(l *listenerv3.Listener, p *model.EnvoyPatch) bool {
	m := p.Listener
	if m.Name != "" && m.Name != l.GetName() {
		return false
	}
	return m.Port == 0 || virtual(l) && p.Target != model.PatchListener || l.GetAddress().GetSocketAddress().GetPortValue() == m.Port
}

func chainFits(l *listenerv3.Listener, c *listenerv3.FilterChain, p *model.EnvoyPatch) bool {
	m, match := p.Listener, c.GetFilterChainMatch()
	port := match.GetDestinationPort().GetValue()
	switch {
	case virtual(l) && m.Port != 0 && port != m.Port,
		m.Chain != "" && m.Chain != c.GetName(),
		m.SNI != "" && !slices.Contains(match.GetServerNames(), m.SNI),
		m.Transport != "" && m.Transport != match.GetTransportProtocol(),
		m.ChainPort != 0 && m.ChainPort != port:
		return false
	}
	for _, a := range m.Protocols {
		if !slices.Contains(match.GetApplicationProtocols(), a) {
			return false
		}
	}
	return m.Filter == "" || slices.ContainsFunc(c.GetFilters(), func(f *listenerv3.Filter) bool { return f.GetName() == m.Filter })
}

func (r *reader) patchRoutes(rc *routev3.RouteConfiguration, patches []*model.EnvoyPatch) {
	direction, port, _, _, parsed := ParseCluster(rc.GetName())
	if !parsed {
		n, _ := strconv.ParseUint(strings.TrimPrefix(rc.GetName(), "http."), 10, 16)
		port = uint32(n)
	}
	everyPort := rc.GetName() == HTTPProxyTable
	fits := func(p *model.EnvoyPatch) bool {
		m := p.Routes
		return r.sided(p, direction == "inbound") && (m.Name == "" || m.Name == rc.GetName()) &&
			(m.Port == 0 || m.Port == port || everyPort && p.Target != model.PatchRouteTable)
	}
	// A table for all ports has the port in the names of its hosts.
	hostFits := func(v *routev3.VirtualHost, p *model.EnvoyPatch) bool {
		m := p.Routes
		return (m.Host == "" || m.Host == v.GetName()) && (m.Domain == "" || slices.Contains(v.GetDomains(), m.Domain)) &&
			(m.Port == 0 || !everyPort || strings.HasSuffix(v.GetName(), ":"+strconv.FormatUint(uint64(m.Port), 10)))
	}
	for _, target := range []model.PatchTarget{model.PatchRouteTable, model.PatchVirtualHost, model.PatchHTTPRoute} {
		for _, p := range patches {
			if p.Target != target || !fits(p) {
				continue
			}
			switch target {
			case model.PatchRouteTable:
				if mergeInto(rc, valueOf[routev3.RouteConfiguration](p)) {
					r.done(p)
				}
			case model.PatchVirtualHost:
				named := func(v *routev3.VirtualHost) bool { return hostFits(v, p) }
				if changed, ok := patchList(rc.GetVirtualHosts(), p, true, named, nil); ok {
					rc.VirtualHosts = changed
					r.done(p)
				}
			default:
				for _, v := range rc.GetVirtualHosts() {
					anchored := p.Routes.Route != "" || p.Routes.Action != ""
					named := func(route *routev3.Route) bool { return routeFits(route, p.Routes) }
					if !hostFits(v, p) {
						continue
					}
					if changed, ok := patchList(v.GetRoutes(), p, anchored, named, nil); ok {
						v.Routes = changed
						r.done(p)
					}
				}
			}
		}
	}
}

func routeFits(route *routev3.Route, m model.RouteTableMatch) bool {
	if m.Route != "" && m.Route != route.GetName() {
		return false
	}
	switch m.Action {
	case "ROUTE":
		return route.GetRoute() != nil
	case "REDIRECT":
		return route.GetRedirect() != nil
	case "DIRECT_RESPONSE":
		return route.GetDirectResponse() != nil
	}
	return true
}

// IdlePatches gives the patches of a snapshot that match nothing that these proxies are told, by their places.
func IdlePatches(snap model.Snapshot, proxies []*model.Proxy) []*model.EnvoyPatch {
	if snap.EnvoyFilters.Len() == 0 {
		return nil
	}
	t := New()
	t.Update(snap)
	for _, p := range proxies {
		t.SetProxy(p)
	}
	var out []*model.EnvoyPatch
	for _, f := range snap.EnvoyFilters.All() {
		for _, p := range f.Patches {
			if !t.patched[p] {
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *model.EnvoyPatch) int {
		switch {
		case a.Pos.Before(b.Pos):
			return -1
		case b.Pos.Before(a.Pos):
			return 1
		}
		return 0
	})
	return out
}
