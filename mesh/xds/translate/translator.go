package translate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// Translator keeps the resources of all proxies in step with the snapshot. It is not safe for
// use by several goroutines at once.
type Translator struct {
	// Marshals counts how often a resource was marshalled, for benchmarks.
	Marshals int

	snap      model.Snapshot
	scopes    map[string]*scope
	proxies   map[string]*proxyState
	nodes     map[nodeID]*node
	readers   map[input]map[nodeID]*node
	dirty     map[nodeID]*node
	pool      map[string][]*Resource
	selectors map[string]*selector
	leases    [model.LeaseSlots]*model.LeasedFault
	// patched are the patches that found what they are for; patchVersion grows with each change of EnvoyFilters.
	patched      map[*model.EnvoyPatch]bool
	patchVersion int
}

// New gives a translator without proxies, for an empty mesh.
func New() *Translator {
	return &Translator{
		snap:      model.Snapshot{Mesh: model.DefaultMesh()},
		scopes:    map[string]*scope{},
		proxies:   map[string]*proxyState{},
		nodes:     map[nodeID]*node{},
		readers:   map[input]map[nodeID]*node{},
		dirty:     map[nodeID]*node{},
		pool:      map[string][]*Resource{},
		selectors: map[string]*selector{},
		patched:   map[*model.EnvoyPatch]bool{},
	}
}

type proxyState struct {
	proxy *model.Proxy
	scope *scope
	own   [NumTypes]Table
}

// input is one part of the snapshot that a node may read.
type input struct {
	part part
	key  string
}

type part int

const (
	partMesh part = iota
	partService
	partEndpoints
	partGateway
	partGatewayRules
	partMeshRules
	partPolicies
	partFaults
	partIdentities
	// partPeers is a namespace's PeerAuthentications.
	partPeers
	// partTokens is a namespace's RequestAuthentications.
	partTokens
	// partQuotas is a namespace's QuotaPolicies.
	partQuotas
	// partHealthChecks are a host's HealthCheckPolicies.
	partHealthChecks
	// partAuthorizations is a namespace's AuthorizationPolicies.
	partAuthorizations
	// partTelemetries is a namespace's Telemetry rules.
	partTelemetries
	partTrust
	// partSecrets is a namespace's Secrets.
	partSecrets
	// partLease is one slot's running fault.
	partLease
	// partTable is a route table's list of virtual hosts, which nodes of the first level write.
	partTable
)

// nodeID names a node. Nodes build in the order of their ids, so kinds that others read come first.
type nodeID struct {
	kind nodeKind
	// owner is the scope's key, or a proxy's id for what is its own.
	owner string
	name  string
}

type nodeKind int

const (
	hostClusters nodeKind = iota
	hostEndpoints
	hostRoutes
	leaseLayer
	trustBundle
	credentials
	staticClusters
	added
	routeTable
	listener
	tcpListeners
	ownProvider
	ownTokens
	ownQuotas
	ownInbound
	ownOutbound
	gatewayPorts
)

func (a nodeID) compare(b nodeID) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.owner, b.owner), cmp.Compare(a.name, b.name))
}

type node struct {
	id    nodeID
	build func(*reader)
	into  *[NumTypes]Table
	reads []input
	out   []*Resource
	// tables are the route tables to which a hostRoutes node contributed.
	tables []uint32
}

// reader gives a node parts of the snapshot and takes its resources.
type reader struct {
	t     *Translator
	scope *scope
	node  *node
	reads []input
	seen  map[input]bool
	out   []*Resource
	pos   []diag.Pos
}

func (r *reader) note(p part, key string) {
	in := input{p, key}
	if !r.seen[in] {
		r.seen[in] = true
		r.reads = append(r.reads, in)
	}
}

func (r *reader) mesh() *model.Mesh {
	r.note(partMesh, "")
	return r.t.snap.Mesh
}

func (r *reader) service(host string) *model.Service {
	r.note(partService, host)
	svc := r.t.snap.Services.At(host)
	if svc != nil && !svc.VisibleFrom(r.scope.namespace) {
		return nil
	}
	return svc
}

func (r *reader) endpoints(host string) []model.Endpoint {
	r.note(partEndpoints, host)
	if e := r.t.snap.Endpoints.At(host); e != nil {
		return e.List
	}
	return nil
}

func (r *reader) destinationRule(host string) *model.DestinationRule {
	r.note(partService, host)
	for _, h := range model.HostPatterns(host) {
		r.note(partPolicies, h)
	}
	return r.t.snap.DestinationRule(host, r.scope.namespace)
}

func (r *reader) meshRule(host string) *model.VirtualService {
	for _, h := range model.HostPatterns(host) {
		r.note(partMeshRules, h)
	}
	return r.t.snap.MeshRule(host, r.scope.namespace)
}

func (r *reader) faults(host string) []*model.LeasedFault {
	r.note(partFaults, host)
	if f := r.t.snap.Faults.At(host); f != nil {
		return f.List
	}
	return nil
}

// from remembers that a rule shapes what is being built.
func (r *reader) from(pos diag.Pos) {
	if !pos.IsZero() && !slices.Contains(r.pos, pos) {
		r.pos = append(r.pos, pos)
	}
}

// add gives the node a resource, with the places of the rules noted since the last one.
func (r *reader) add(typ Type, name string, msg proto.Message) {
	if msg = r.patch(typ, msg); msg != nil {
		r.plain(typ, name, msg)
	}
	r.pos = nil
}

// plain is add without patches.
func (r *reader) plain(typ Type, name string, msg proto.Message) {
	r.out = append(r.out, r.t.intern(typ, name, msg, r.pos))
	r.pos = nil
}

// ensure makes a node, to be built at the end of the update.
func (t *Translator) ensure(id nodeID, into *[NumTypes]Table, build func(*reader)) {
	if t.nodes[id] != nil {
		return
	}
	n := &node{id: id, build: build, into: into}
	t.nodes[id] = n
	t.dirty[id] = n
}

// drop removes a node and what it built.
func (t *Translator) drop(id nodeID) {
	n := t.nodes[id]
	if n == nil {
		return
	}
	t.forget(n)
	t.store(n, nil)
	if n.id.kind == hostRoutes {
		t.setVirtualHosts(t.scopes[n.id.owner], n, nil)
	}
	delete(t.nodes, id)
	delete(t.dirty, id)
}

func (t *Translator) forget(n *node) {
	for _, in := range n.reads {
		delete(t.readers[in], n.id)
		if len(t.readers[in]) == 0 {
			delete(t.readers, in)
		}
	}
	n.reads = nil
}

func (t *Translator) touch(p part, key string) {
	maps.Copy(t.dirty, t.readers[input{p, key}])
}

// rebuild builds all dirty nodes, in the order of their ids. Nodes may make later ones dirty.
func (t *Translator) rebuild() {
	for len(t.dirty) > 0 {
		batch := make([]*node, 0, len(t.dirty))
		for _, n := range t.dirty { // sorted below
			batch = append(batch, n)
		}
		slices.SortFunc(batch, func(a, b *node) int { return a.id.compare(b.id) })
		kind := batch[0].id.kind
		for _, n := range batch {
			if n.id.kind != kind {
				break
			}
			delete(t.dirty, n.id)
			t.run(n)
		}
	}
	// A map keeps the size that it once had, and going through it would cost that ever after.
	t.dirty = map[nodeID]*node{}
}

func (t *Translator) run(n *node) {
	r := &reader{t: t, node: n, scope: t.scopes[n.id.owner], seen: map[input]bool{}}
	if p := t.proxies[n.id.owner]; p != nil {
		r.scope = p.scope
	}
	n.build(r)
	t.forget(n)
	n.reads = r.reads
	for _, in := range n.reads {
		if t.readers[in] == nil {
			t.readers[in] = map[nodeID]*node{}
		}
		t.readers[in][n.id] = n
	}
	t.store(n, r.out)
}

// store replaces what a node built in its tables.
func (t *Translator) store(n *node, out []*Resource) {
	kept := make(map[*Resource]bool, len(out))
	for _, r := range out {
		kept[r] = true
		n.into[r.Type] = n.into[r.Type].Set(r.Name, r)
	}
	for _, r := range n.out {
		if !kept[r] && n.into[r.Type].At(r.Name) == r {
			n.into[r.Type] = n.into[r.Type].Delete(r.Name)
		}
		t.release(r)
	}
	n.out = out
}

// SetProxy adds a proxy, or replaces the one with its id.
func (t *Translator) SetProxy(p *model.Proxy) {
	t.RemoveProxy(p.ID)
	state := &proxyState{proxy: p}
	t.proxies[p.ID] = state
	state.scope = t.scopeFor(p)
	state.scope.users++
	t.ensureOwn(state)
	t.rebuild()
}

// RemoveProxy forgets a proxy and all that was built for it alone.
func (t *Translator) RemoveProxy(id string) {
	state := t.proxies[id]
	if state == nil {
		return
	}
	for _, kind := range []nodeKind{ownProvider, ownTokens, ownQuotas, ownInbound, ownOutbound, gatewayPorts} {
		t.drop(nodeID{kind, id, ""})
	}
	t.leave(state.scope)
	delete(t.proxies, id)
}

// View gives what a proxy gets at this moment, or nil for an unknown proxy.
func (t *Translator) View(id string) *View {
	p := t.proxies[id]
	if p == nil {
		return nil
	}
	return &View{Shared: p.scope.shared, Own: p.own}
}

// Snapshot is the newest one.
func (t *Translator) Snapshot() model.Snapshot { return t.snap }

// Update takes a new snapshot and builds again what it changes.
func (t *Translator) Update(snap model.Snapshot) {
	c := model.Changed(t.snap, snap)
	old := t.snap
	t.snap = snap
	if c.Mesh {
		t.touch(partMesh, "")
	}
	if c.Trust {
		t.touch(partTrust, "")
	}
	for _, parts := range []struct {
		part part
		keys []string
	}{
		{partService, c.Services},
		{partEndpoints, c.Endpoints},
		{partGateway, c.Gateways},
		{partGatewayRules, c.GatewayRules},
		{partMeshRules, c.MeshRules},
		{partPolicies, c.DestinationRules},
		{partFaults, c.FaultHosts},
		{partIdentities, c.Identities},
		{partPeers, c.PeerAuthentications},
		{partAuthorizations, c.AuthorizationPolicies},
		{partTokens, c.RequestAuthentications},
		{partQuotas, c.QuotaPolicies},
		{partHealthChecks, c.HealthChecks},
		{partTelemetries, c.Telemetries},
	} {
		for _, key := range parts.keys {
			t.touch(parts.part, key)
		}
	}
	for _, id := range c.Secrets {
		namespace, _, _ := strings.Cut(id, "/")
		t.touch(partSecrets, namespace)
	}
	t.updateLeases(old, c)
	t.updatePatches(c)
	if t.updateSelectors(old, c) || c.Mesh {
		t.rescope()
	}
	t.eachScope(func(s *scope) { t.ensureHosts(s, c.Services, c.MeshRules) })
	if len(c.Gateways) > 0 {
		t.touch(partGateway, "")
	}
	t.rebuild()
}

// updateLeases keeps the slots in step with the faults of scenarios.
func (t *Translator) updateLeases(old model.Snapshot, c model.Changes) {
	next := t.leases
	for _, host := range c.FaultHosts {
		if f := old.Faults.At(host); f != nil {
			for _, fault := range f.List {
				if next[fault.Slot] == fault {
					next[fault.Slot] = nil
				}
			}
		}
		if f := t.snap.Faults.At(host); f != nil {
			for _, fault := range f.List {
				next[fault.Slot] = fault
			}
		}
	}
	for slot := range next {
		if next[slot] != t.leases[slot] {
			t.touch(partLease, LeaseLayer(slot))
		}
	}
	t.leases = next
}
