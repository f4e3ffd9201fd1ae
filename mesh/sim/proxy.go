package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
)

// proxy is one Envoy. What every request needs comes first.
type proxy struct {
	mesh *Mesh
	// app behind a sidecar; nil of a gateway.
	app *app
	// down: its process is gone. gone: it has left the mesh.
	down, gone bool
	routes     few[messageID, *resolved]
	inbounds   few[uint32, *resolved]
	passages   few[passageKey, *passage]
	// policies and tokens are the rules by which requests are refused; peers says which connections are taken, and identity is the proxy's own.
	policies []*model.AuthorizationPolicy
	tokens   []*model.JWTRule
	peers    model.MTLS
	identity string
	rbac     map[uint32]*rbacStats
	quotas   quotas
	// outboundStats and inboundStats are those of its connection managers.
	inboundStats, outboundStats httpStats

	id       string
	kind     model.ProxyKind
	workload *model.Workload
	tcp      map[uint32]*resolved
	clusters map[string]*cluster
	order    []*cluster // of clusters, in the order in which they were first used
	stats    map[string]*clusterStats
	draws    draws
}

// draws are a proxy's streams of random numbers, one for each purpose, made when they are first used.
type draws struct {
	p                                      *proxy
	routes, faults, backoffs, copies, hops *rand.Rand
}

func (d *draws) of(r **rand.Rand, purpose string) *rand.Rand {
	if *r == nil {
		*r = d.p.mesh.random(purpose + "/" + d.p.id)
	}
	return *r
}

func (d *draws) route() *rand.Rand   { return d.of(&d.routes, "route") }
func (d *draws) fault() *rand.Rand   { return d.of(&d.faults, "fault") }
func (d *draws) backoff() *rand.Rand { return d.of(&d.backoffs, "backoff") }
func (d *draws) hop() *rand.Rand     { return d.of(&d.hops, "hop") }
func (d *draws) mirror() *rand.Rand  { return d.of(&d.copies, "mirror") }

// Apply makes the proxies obey a snapshot, at once. Proxies are known by their ids: new ones come, missing ones go.
func (m *Mesh) Apply(snap model.Snapshot, proxies []*model.Proxy) {
	faults := m.snap.Faults
	m.snap = snap
	m.snap.Faults = faults
	seen := map[string]bool{}
	for _, x := range proxies {
		seen[x.ID] = true
		p := m.byID[x.ID]
		if p == nil {
			p = &proxy{
				mesh: m, id: x.ID, kind: x.Kind,
				clusters: map[string]*cluster{}, stats: map[string]*clusterStats{},
			}
			p.draws.p = p
			m.byID[x.ID] = p
			m.proxies = append(m.proxies, p)
		}
		p.workload = x.Workload
		if p.kind == model.Sidecar {
			m.byPlace[x.Workload.Address] = p
			if p.app == nil {
				p.app = m.appOf(x.Workload.Key())
				p.app.proxy = p
			}
		}
	}
	for _, p := range m.proxies {
		if !seen[p.id] && !p.gone {
			p.gone = true
			m.kill(p)
			if p.app != nil {
				m.killApp(p.app)
			}
		}
	}
	m.knowLimits()
	m.forgetRoutes()
	m.dateRules()
	for _, p := range m.proxies {
		if !p.gone {
			p.guard()
			p.count()
			p.identify()
		}
	}
	for _, p := range m.proxies {
		if !p.gone {
			p.update()
			p.prepare()
		}
	}
}

// prepare makes the clusters of rules that remember (failures, when hosts came) as soon as the rules are there, as Envoy does; others are
// made when they are first called, which nobody can tell.
func (p *proxy) prepare() {
	for _, rule := range p.mesh.snap.DestinationRules.All() {
		svc := p.service(rule.Host)
		if svc == nil || p.mesh.snap.DestinationRule(rule.Host, p.workload.Namespace) != rule {
			continue
		}
		for _, port := range svc.Ports {
			for _, subset := range append([]*model.Subset{{}}, rule.Subsets...) {
				policy := rule.For(subset.Name, port.Number)
				if policy.Outlier != nil || policy.LoadBalancer != nil && policy.LoadBalancer.Warmup != nil {
					p.cluster(hostPort{rule.Host, port.Number}, subset.Name)
				}
			}
		}
	}
}

// dateRules notes since when each rule has been in force: sweeps count from then, whoever asks first.
func (m *Mesh) dateRules() {
	began := map[*model.DestinationRule]time.Duration{}
	for _, rule := range m.snap.DestinationRules.All() {
		since, known := m.began[rule]
		if !known {
			since = m.Now()
		}
		began[rule] = since
	}
	m.began = began
}

// SetFaults sets the faults of the scenario on a host: those in the list that are armed are injected.
func (m *Mesh) SetFaults(host string, list []*model.LeasedFault) {
	m.snap.Faults = m.snap.Faults.Set(host, &model.LeasedFaults{List: list})
	m.forgetRoutes()
}

func (m *Mesh) forgetRoutes() {
	m.domains = map[string]map[string]hostPort{}
	m.matchers = map[*model.HTTPMatch]*match.Matcher{}
	for _, p := range m.proxies {
		p.routes, p.tcp = few[messageID, *resolved]{}, map[uint32]*resolved{}
		p.passages = few[passageKey, *passage]{}
	}
}

// Proxy gives the id of the proxy of a workload, by the name of the instance or else the first of its Deployment.
func (m *Mesh) Proxy(workload string) (string, bool) {
	for _, same := range []func(*proxy) bool{
		func(p *proxy) bool { return p.workload.Name == workload },
		func(p *proxy) bool { return p.workload.Owner == workload },
	} {
		for _, p := range m.proxies {
			if !p.gone && same(p) {
				return p.id, true
			}
		}
	}
	return "", false
}

// inbound is what a sidecar does with requests to one of the ports at which it accepts for its app.
func (p *proxy) inbound(port uint32) *resolved {
	if r := p.inbounds.get(port); r != nil {
		return r
	}
	i := slices.IndexFunc(p.workload.Inbound, func(in model.Inbound) bool { return in.Listen.Port == port })
	if i < 0 {
		return nil
	}
	in := p.workload.Inbound[i]
	c := p.inboundCluster(in.App.Port)
	r := &resolved{
		name: "default", operation: fmt.Sprintf("%s:%d/*", in.Host, in.Port), total: 1,
		retry: resetBeforeRequest,
	}
	if in.Protocol == model.GRPC {
		r.retry = nil
	}
	r.choices = append(r.own[:0], choice{weight: 1, name: c.name, cluster: c})
	p.inbounds.put(port, r)
	return r
}

// appAddress is where the app listens on a port.
func (p *proxy) appAddress(port uint32) string {
	for _, in := range p.workload.Inbound {
		if in.App.Port == port {
			return in.App.Address
		}
	}
	return p.workload.Address
}

// cutPort parts an address from its port.
func cutPort(address string) (host, port string) {
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return address, ""
	}
	return address[:i], address[i+1:]
}
