package translate

import (
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// scope is what proxies see alike: same namespace, same locality, the same relays, and the same answers to every
// selector by which rules pick their callers. Its resources are built once and shared.
type scope struct {
	key       string
	namespace string
	locality  model.Locality
	labels    map[string]string
	relays    map[string]string
	// service is what the proxies of the scope call themselves in traces, if the mesh has a tracer that is not told by the bootstrap.
	service string
	kind    model.ProxyKind
	users   int
	shared  [NumTypes]Table
	// tables holds the virtual hosts of each route table, by port and then by host.
	tables map[uint32]model.Map[*fragment]
	// patches are those of EnvoyFilters, as of the version patchesFor.
	patches    []*model.EnvoyPatch
	patchesFor int
}

// selector is a set of labels by which some rule picks its callers, and how many rules do.
type selector struct {
	labels map[string]string
	uses   int
}

func selectorKey(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for k, v := range labels { // sorted below
		pairs = append(pairs, k+"="+v)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

func (t *Translator) scopeKey(p *model.Proxy) string {
	w := p.Workload
	parts := []string{string(p.Kind), w.Namespace, w.Locality.String()}
	matched := make([]string, 0, len(t.selectors))
	for key, s := range t.selectors { // sorted below
		if model.Labels(w.Labels, s.labels) {
			matched = append(matched, key)
		}
	}
	slices.Sort(matched)
	if name := t.traceName(w); name != "" {
		parts = append(parts, "service:"+name)
	}
	if len(w.Relays) > 0 {
		parts = append(parts, "relays:"+selectorKey(w.Relays))
	}
	return strings.Join(append(parts, matched...), "~")
}

// traceName is what a workload's proxy calls itself in traces where its configuration has to say so, as by OpenTelemetry.
func (t *Translator) traceName(w *model.Workload) string {
	if !slices.ContainsFunc(t.snap.Mesh.Tracers, func(p *model.TracingProvider) bool { return p.OpenTelemetry }) {
		return ""
	}
	return w.CanonicalService() + "." + w.Namespace
}

func (t *Translator) scopeFor(p *model.Proxy) *scope {
	key := t.scopeKey(p)
	s := t.scopes[key]
	if s == nil {
		s = &scope{
			key: key, kind: p.Kind, namespace: p.Workload.Namespace, locality: p.Workload.Locality,
			labels: p.Workload.Labels, relays: p.Workload.Relays, service: t.traceName(p.Workload),
			tables: map[uint32]model.Map[*fragment]{},
		}
		t.scopes[key] = s
		t.fill(s)
	}
	return s
}

func (t *Translator) leave(s *scope) {
	if s.users--; s.users > 0 {
		return
	}
	var ids []nodeID
	for id := range t.nodes { // sorted below
		if id.owner == s.key {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, nodeID.compare)
	for _, id := range ids {
		t.drop(id)
	}
	delete(t.scopes, s.key)
}

func (t *Translator) eachScope(f func(*scope)) {
	keys := make([]string, 0, len(t.scopes))
	for k := range t.scopes { // sorted below
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		f(t.scopes[k])
	}
}

// updateSelectors counts the selectors of the rules that changed, and reports whether the set of selectors is
// another now.
func (t *Translator) updateSelectors(old model.Snapshot, c model.Changes) bool {
	changed := false
	count := func(snap model.Snapshot, by int) {
		use := func(labels map[string]string) {
			if len(labels) == 0 {
				return
			}
			key := selectorKey(labels)
			s := t.selectors[key]
			if s == nil {
				s = &selector{labels: labels}
				t.selectors[key] = s
				changed = true
			}
			s.uses += by
		}
		for _, host := range c.MeshRules {
			for _, v := range snap.MeshRulesOf(host) {
				eachSourceLabels(v, use)
			}
		}
		for _, namespace := range c.EnvoyFilters {
			for _, f := range snap.EnvoyFiltersOf(namespace) {
				use(f.Selector)
			}
		}
		for _, namespace := range c.Telemetries {
			for _, rule := range snap.TelemetriesIn(namespace) {
				use(rule.Selector)
			}
		}
		for _, host := range c.FaultHosts {
			if f := snap.Faults.At(host); f != nil {
				for _, fault := range f.List {
					use(fault.From)
				}
			}
		}
	}
	count(t.snap, 1)
	count(old, -1)
	for key, s := range t.selectors { // deletes from a set
		if s.uses <= 0 {
			delete(t.selectors, key)
			changed = true
		}
	}
	return changed
}

func eachSourceLabels(v *model.VirtualService, use func(map[string]string)) {
	for _, r := range v.HTTP {
		for _, m := range r.Match {
			use(m.SourceLabels)
		}
	}
	for _, r := range v.TCP {
		for _, m := range r.Match {
			use(m.SourceLabels)
		}
	}
	for _, r := range v.TLS {
		for _, m := range r.Match {
			use(m.SourceLabels)
		}
	}
}

// rescope moves proxies to the scopes that fit the selectors of today.
func (t *Translator) rescope() {
	ids := make([]string, 0, len(t.proxies))
	for id := range t.proxies { // sorted below
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		p := t.proxies[id]
		if t.scopeKey(p.proxy) == p.scope.key {
			continue
		}
		old := p.scope
		p.scope = t.scopeFor(p.proxy)
		p.scope.users++
		t.leave(old)
		for _, kind := range []nodeKind{ownProvider, ownTokens, ownQuotas, ownInbound, ownOutbound, gatewayPorts} {
			if n := t.nodes[nodeID{kind, id, ""}]; n != nil {
				t.dirty[n.id] = n
			}
		}
	}
}

// fill makes all nodes of a new scope.
func (t *Translator) fill(s *scope) {
	hosts := make([]string, 0, t.snap.Services.Len())
	for host := range t.snap.Services.All() {
		hosts = append(hosts, host)
	}
	var ruled []string
	for host := range t.snap.MeshRuleHosts {
		ruled = append(ruled, host)
	}
	t.ensureHosts(s, hosts, ruled)
	t.ensure(nodeID{staticClusters, s.key, ""}, &s.shared, buildStaticClusters)
	t.ensure(nodeID{added, s.key, ""}, &s.shared, buildAdded)
	t.ensure(nodeID{trustBundle, s.key, ""}, &s.shared, buildTrust)
	t.ensure(nodeID{credentials, s.key, ""}, &s.shared, buildCredentials)
	for slot := range model.LeaseSlots {
		t.ensure(nodeID{leaseLayer, s.key, LeaseLayer(slot)}, &s.shared, func(r *reader) { buildLeaseLayer(r, slot) })
	}
	if s.kind == model.Sidecar && t.snap.Mesh.Capture == model.CaptureProxy {
		t.ensureTable(s, 0)
		t.ensure(nodeID{listener, s.key, ConnectListener}, &s.shared, buildConnect)
	}
}

// ensureHosts makes or drops the nodes of hosts that came or went.
func (t *Translator) ensureHosts(s *scope, services, ruled []string) {
	for _, host := range services {
		if t.snap.Services.At(host) == nil {
			t.drop(nodeID{hostClusters, s.key, host})
			t.drop(nodeID{hostEndpoints, s.key, host})
			t.drop(nodeID{tcpListeners, s.key, host})
			continue
		}
		t.ensure(nodeID{hostClusters, s.key, host}, &s.shared, func(r *reader) { buildClusters(r, host) })
		t.ensure(nodeID{hostEndpoints, s.key, host}, &s.shared, func(r *reader) { buildEndpoints(r, host) })
		if s.kind == model.Sidecar {
			t.ensure(nodeID{tcpListeners, s.key, host}, &s.shared, func(r *reader) { buildTCPListeners(r, host) })
		}
	}
	if s.kind != model.Sidecar {
		return
	}
	for _, host := range slices.Concat(services, ruled) {
		id := nodeID{hostRoutes, s.key, host}
		if t.snap.Services.At(host) == nil && len(t.snap.MeshRulesOf(host)) == 0 {
			t.drop(id)
			continue
		}
		t.ensure(id, &s.shared, func(r *reader) { buildVirtualHosts(r, host) })
	}
}
