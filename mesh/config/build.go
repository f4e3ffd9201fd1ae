package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/registry/static"
)

// build is one run of Build.
type build struct {
	resolver
	set   Set
	snap  model.Snapshot
	diags diag.List
	// found holds the findings of each document that has some.
	found map[*Document]diag.List
	// delegating says that some rule hands over to another.
	delegating bool
}

// Build gives the snapshot of all documents and of the workloads that run, and says what is wrong with it. It starts from
// an older snapshot (the zero Snapshot with Mesh set, or nothing, for the first): what did not change keeps its pointer, and
// running faults stay. With errors among the findings the snapshot is base itself.
func Build(s Set, base model.Snapshot, workloads []*model.Workload) (model.Snapshot, diag.List) {
	return new(Builder).Build(s, base, workloads)
}

func newBuild(s Set, base model.Snapshot) *build {
	if base.Mesh == nil {
		base.Mesh = model.DefaultMesh()
	}
	b := &build{set: s, snap: base, found: map[*Document]diag.List{}}
	b.domain = base.Mesh.Domain
	b.resolver.services = base.Services
	return b
}

// whole converts all documents.
func (b *build) whole(workloads []*model.Workload) {
	b.meshConfig()
	b.workloads(workloads)
	services, fixed := b.allServices()
	believed := b.revocations(workloads)
	b.endpoints(services, fixed, believed)
	b.identities(believed)
	b.secrets()
	b.destinationRules()
	b.peerAuthentications()
	b.authorizationPolicies()
	b.requestAuthentications()
	b.quotaPolicies()
	b.healthCheckPolicies()
	b.telemetryRules()
	for _, doc := range b.set.ofKind(kindDeployment) {
		b.of(doc, func() { b.deployment(doc) })
	}
	b.gateways()
	b.virtualServices()
	b.envoyFilters()
}

// of notes what the conversion of a document finds.
func (b *build) of(doc *Document, convert func()) {
	before := len(b.diags)
	convert()
	if len(b.diags) > before {
		b.found[doc] = append(b.found[doc], b.diags[before:]...)
	}
}

// Services gives the services that the documents describe, by host; findings are left to Build. Domain is that of the mesh,
// such as svc.cluster.local; empty takes that.
func Services(s Set, domain string) []*model.Service {
	if domain == "" {
		domain = model.DefaultMesh().Domain
	}
	b := newBuild(s, model.Snapshot{})
	b.domain = domain
	services, _ := b.allServices()
	return services
}

func (b *build) reporter(doc *Document) reporter {
	return reporter{doc: doc, diags: &b.diags, build: b}
}

// settle gives the map with exactly the wanted values; those that equal the old ones keep the old pointers.
func settle[T any](old model.Map[*T], want map[string]*T) model.Map[*T] {
	out := old
	for key := range old.All() {
		if want[key] == nil {
			out = out.Delete(key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		out = out.Set(key, same(old.At(key), want[key]))
	}
	return out
}

// settleRules is settle for rules of which a snapshot keeps an index: with adds or replaces one in it, without takes one out.
func settleRules[T any](
	s model.Snapshot, old model.Map[*T], want map[string]*T, with func(model.Snapshot, *T) model.Snapshot, without func(model.Snapshot, string) model.Snapshot,
) model.Snapshot {
	for key := range old.All() {
		if want[key] == nil {
			s = without(s, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if was := old.At(key); was == nil || same(was, want[key]) != was {
			s = with(s, want[key])
		}
	}
	return s
}

// same gives old where both are equal.
func same[T any](old, fresh *T) *T {
	if old == fresh || old != nil && reflect.DeepEqual(old, fresh) {
		return old
	}
	return fresh
}

func (b *build) workloads(in []*model.Workload) {
	want := map[string]*model.Workload{}
	for _, w := range in {
		want[w.Key()] = w
	}
	b.snap.Workloads = settle(b.snap.Workloads, want)
}

// allServices converts Services and ServiceEntries, sorted by host, and the endpoints that entries list themselves.
func (b *build) allServices() ([]*model.Service, map[string]*model.Endpoints) {
	want := map[string]*model.Service{}
	fixed := map[string]*model.Endpoints{}
	for _, doc := range b.set.ofKind(kindService) {
		b.of(doc, func() {
			s := b.service(doc)
			want[s.Host] = s
		})
	}
	for _, doc := range b.set.ofKind(kindServiceEntry) {
		var services []*model.Service
		var endpoints []*model.Endpoints
		b.of(doc, func() { services, endpoints = b.serviceEntry(doc) })
		for _, s := range services {
			if other := want[s.Host]; other != nil {
				r := b.reporter(doc)
				r.diags.Add(diag.Diagnostic{Code: "DUPLICATE-HOST", Pos: s.Pos, Path: "spec.hosts", Message: "the host " + s.Host + " is declared at " + other.Pos.String() + " already"})
				continue
			}
			want[s.Host] = s
		}
		for _, e := range endpoints {
			if fixed[e.Host] == nil {
				fixed[e.Host] = e
			}
		}
	}
	if b.snap.Mesh.Capture == model.CaptureRedirect {
		addresses(want)
	}
	b.snap.Services = settle(b.snap.Services, want)
	b.services = b.snap.Services
	out := make([]*model.Service, 0, len(want))
	for _, s := range b.services.All() {
		out = append(out, s)
	}
	return out, fixed
}

// addresses gives one to each service that has none, since callers must dial something for the kernel to redirect.
func addresses(services map[string]*model.Service) {
	taken := map[string]bool{}
	var without []string
	for host, s := range services { // ServiceAddresses sorts
		switch {
		case s.Address != "":
			taken[s.Address] = true
		case !strings.HasPrefix(host, "*"):
			without = append(without, host)
		}
	}
	for host, address := range model.ServiceAddresses(without, taken) { // each on its own
		services[host].Address = address
	}
}

func (b *build) endpoints(services []*model.Service, fixed map[string]*model.Endpoints, workloads []*model.Workload) {
	want := map[string]*model.Endpoints{}
	for _, e := range static.Endpoints(services, workloads) {
		want[e.Host] = e
	}
	for _, s := range services {
		if want[s.Host] != nil {
			continue
		}
		want[s.Host] = fixed[s.Host]
		if want[s.Host] == nil {
			want[s.Host] = &model.Endpoints{Host: s.Host}
		}
	}
	b.snap.Endpoints = settle(b.snap.Endpoints, want)
}

func (b *build) destinationRules() {
	want := map[string]*model.DestinationRule{}
	hosts := map[[2]string]*model.DestinationRule{}
	for _, doc := range b.set.ofKind(kindDestinationRule) {
		var d *model.DestinationRule
		b.of(doc, func() { d = b.destinationRule(doc) })
		d = same(b.snap.DestinationRules.At(d.Key()), d)
		want[d.Key()] = d
		at := [2]string{d.Namespace, d.Host}
		if other := hosts[at]; other != nil && d.Host != "" && slices.Equal(other.ExportTo, d.ExportTo) {
			r := b.reporter(doc)
			r.errorf("DUPLICATE-HOST", "spec.host", "the DestinationRule %s (%s) rules the same host", other.Name, other.Pos)
			r.hint("write one DestinationRule with all subsets")
		}
		hosts[at] = d
	}
	for key, old := range b.snap.DestinationRules.All() {
		if want[key] != old {
			b.snap = b.snap.WithoutDestinationRule(key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if b.snap.DestinationRules.At(key) == nil {
			b.snap = b.snap.WithDestinationRule(want[key])
		}
	}
}

func (b *build) gateways() {
	want := map[string]*model.Gateway{}
	for _, doc := range b.set.ofKind(kindGateway) {
		b.of(doc, func() {
			g := b.gateway(doc)
			want[g.Key()] = g
		})
	}
	b.snap.Gateways = settle(b.snap.Gateways, want)
}

func (b *build) virtualServices() {
	var rules []*convertedRule
	for _, doc := range b.set.ofKind(kindVirtualService) {
		b.of(doc, func() { rules = append(rules, b.virtualService(doc)) })
	}
	b.delegating = slices.ContainsFunc(rules, (*convertedRule).delegating)
	b.delegates(rules)
	b.meshHosts(rules)
	want := map[string]*model.VirtualService{}
	for _, r := range rules {
		if !r.routes.delegate {
			want[r.rule.Key()] = same(b.snap.VirtualServices.At(r.rule.Key()), r.rule)
		}
	}
	for key, old := range b.snap.VirtualServices.All() {
		if want[key] != old {
			b.snap = b.snap.WithoutVirtualService(key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if b.snap.VirtualServices.At(key) == nil {
			b.snap = b.snap.WithVirtualService(want[key])
		}
	}
}

// meshHosts reports hosts that two rules claim for the sidecars of one namespace. At gateways such rules are merged.
func (b *build) meshHosts(rules []*convertedRule) {
	byHost := map[string][]*convertedRule{}
	for _, r := range rules {
		if !slices.Contains(r.rule.Gateways, model.MeshGateway) {
			continue
		}
		for i, h := range r.routes.in.Hosts {
			full := r.routes.host(h, r.rule.Namespace)
			for _, other := range byHost[full] {
				if other != r && overlap(r.rule, other.rule) {
					r.routes.errorf("DUPLICATE-HOST", at("spec.hosts", i), "the VirtualService %s (%s) rules the host %q already", other.rule.Name, other.rule.Pos, h)
					r.routes.hint("put the routes into one VirtualService, in the order you want; only at a gateway are several merged")
					break
				}
			}
			byHost[full] = append(byHost[full], r)
		}
	}
}

// overlap reports whether some namespace sees both rules.
func overlap(a, b *model.VirtualService) bool {
	namespaces := []string{a.Namespace, b.Namespace, "*"} // the last: any other
	namespaces = append(append(namespaces, a.ExportTo...), b.ExportTo...)
	for _, ns := range namespaces {
		if ns != "." && a.VisibleFrom(ns) && b.VisibleFrom(ns) {
			return true
		}
	}
	return false
}

// damagedPorts reports whether a service's document has ports that could not be read.
func (b *build) damagedPorts(s *model.Service) bool {
	for _, kind := range []string{kindService, kindServiceEntry} {
		for _, doc := range b.set.ofKind(kind) {
			if doc.Namespace == s.Namespace && doc.Pos.File == s.Pos.File && doc.damaged("spec.ports") {
				return true
			}
		}
	}
	return false
}
