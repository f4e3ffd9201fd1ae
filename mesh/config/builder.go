package config

import (
	"slices"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// Builder is Build for one mesh again and again: where only some rules, or the endpoints of entries, differ from the last
// time, only those are converted. The zero value is ready. It is for one goroutine.
//
// It gives what Build gives. A change that may alter what other documents mean (a service, a subset that goes, a rule that
// delegates), or in which there is an error to report, is built as a whole.
type Builder struct {
	set       Set
	snap      model.Snapshot
	workloads []*model.Workload
	found     map[*Document]diag.List
	// usable says that the last build was without errors, and that no rule hands over to another.
	usable bool
}

// Build is the function of that name.
func (m *Builder) Build(s Set, base model.Snapshot, workloads []*model.Workload) (model.Snapshot, diag.List) {
	b := newBuild(s, base)
	if !m.follows(b.snap, workloads) || !m.changes(b) {
		b = newBuild(s, base)
		b.whole(workloads)
	}
	found := finished(slices.Clone(b.diags))
	if found.HasErrors() {
		// The next build starts from the snapshot of before, and so do its findings.
		return base, found
	}
	m.set, m.snap, m.workloads, m.found = s, b.snap, workloads, b.found
	m.usable = !b.delegating
	return b.snap, found
}

// follows reports whether the last build is what this one starts from.
func (m *Builder) follows(base model.Snapshot, workloads []*model.Workload) bool {
	return m.usable && m.snap.Mesh == base.Mesh && m.snap.Services.Same(base.Services) && m.snap.Endpoints.Same(base.Endpoints) &&
		m.snap.Workloads.Same(base.Workloads) && m.snap.Gateways.Same(base.Gateways) &&
		m.snap.VirtualServices.Same(base.VirtualServices) && m.snap.DestinationRules.Same(base.DestinationRules) &&
		m.snap.PeerAuthentications.Same(base.PeerAuthentications) && m.snap.AuthorizationPolicies.Same(base.AuthorizationPolicies) &&
		m.snap.RequestAuthentications.Same(base.RequestAuthentications) && m.snap.QuotaPolicies.Same(base.QuotaPolicies) && m.snap.HealthCheckPolicies.Same(base.HealthCheckPolicies) && m.snap.EnvoyFilters.Same(base.EnvoyFilters) && m.snap.Revocations.Same(base.Revocations) &&
		m.snap.Telemetries.Same(base.Telemetries) && m.snap.Secrets.Same(base.Secrets) &&
		len(m.workloads) == len(workloads) && (len(workloads) == 0 || &m.workloads[0] == &workloads[0])
}

// changes converts the documents that differ. It says false where all must be.
func (m *Builder) changes(b *build) bool {
	ok := true
	var removed []*Document
	model.Diff(m.set.docs, b.set.docs, func(c model.Change[*Document]) {
		if !ok {
			return
		}
		doc := c.New
		if !c.Has {
			doc = c.Old
		}
		if c.Had {
			removed = append(removed, c.Old)
		}
		if c.Has {
			b.of(doc, func() { ok = b.change(doc.Kind, c.Old, c.New) })
		} else {
			ok = b.change(doc.Kind, c.Old, nil)
		}
	})
	if !ok || b.diags.HasErrors() {
		return false
	}
	for doc, list := range m.found {
		if !slices.Contains(removed, doc) {
			b.found[doc] = list
			b.diags = append(b.diags, list...)
		}
	}
	return true
}

// change converts one document that came (old is nil), changed, or went (fresh is nil). It says false for a change that may
// matter to other documents.
func (b *build) change(kind string, old, fresh *Document) bool {
	switch kind {
	case kindVirtualService:
		return b.changeVirtualService(old, fresh)
	case kindDestinationRule:
		return old != nil && fresh != nil && b.changeDestinationRule(fresh)
	case kindServiceEntry:
		return old != nil && fresh != nil && b.changeServiceEntry(old, fresh)
	case kindGateway:
		if fresh == nil {
			return false
		}
		g := b.gateway(fresh)
		b.snap.Gateways = b.snap.Gateways.Set(g.Key(), same(b.snap.Gateways.At(g.Key()), g))
		return true
	}
	return false
}

func (b *build) changeVirtualService(old, fresh *Document) bool {
	if old != nil {
		key := old.Namespace + "/" + old.Name
		if b.snap.VirtualServices.At(key) == nil {
			return false
		}
		if fresh == nil {
			b.snap = b.snap.WithoutVirtualService(key)
			return true
		}
	}
	r := b.virtualService(fresh)
	if r.delegating() {
		return false
	}
	if slices.Contains(r.rule.Gateways, model.MeshGateway) {
		for _, h := range r.rule.Hosts {
			for _, other := range b.snap.MeshRulesOf(h) {
				if other.Key() != r.rule.Key() && overlap(r.rule, other) {
					return false
				}
			}
		}
	}
	before := b.snap.VirtualServices.At(r.rule.Key())
	if rule := same(before, r.rule); rule != before {
		b.snap = b.snap.WithVirtualService(rule)
	}
	return true
}

// changeDestinationRule takes a rule for the same host and callers that has all subsets of before, on which other rules
// may build.
func (b *build) changeDestinationRule(fresh *Document) bool {
	d := b.destinationRule(fresh)
	before := b.snap.DestinationRules.At(d.Key())
	if before == nil || before.Host != d.Host || !slices.Equal(before.ExportTo, d.ExportTo) {
		return false
	}
	for _, s := range before.Subsets {
		if d.Subset(s.Name) == nil {
			return false
		}
	}
	if rule := same(before, d); rule != before {
		b.snap = b.snap.WithDestinationRule(rule)
	}
	return true
}

// changeServiceEntry takes an entry whose endpoints alone differ.
func (b *build) changeServiceEntry(old, fresh *Document) bool {
	services, endpoints := b.serviceEntry(fresh)
	was, _ := newBuild(b.set, b.snap).serviceEntry(old)
	if len(services) != len(was) || len(endpoints) != len(services) {
		return false
	}
	for i, s := range services {
		before := b.snap.Services.At(s.Host)
		if before != nil && s.Address == "" && was[i].Address == "" {
			s.Address = before.Address // given, not written
		}
		if s.Host != was[i].Host || before == nil || same(before, s) != before {
			return false
		}
	}
	for _, e := range endpoints {
		b.snap.Endpoints = b.snap.Endpoints.Set(e.Host, same(b.snap.Endpoints.At(e.Host), e))
	}
	return true
}

// delegating reports whether a rule hands over to others, or others to it.
func (r *convertedRule) delegating() bool {
	return r.routes.delegate || slices.ContainsFunc(r.delegates, func(key string) bool { return key != "" })
}
