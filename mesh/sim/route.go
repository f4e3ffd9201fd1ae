package sim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
)

// hostPort is a host as callers see it, on one of its ports.
type hostPort struct {
	host string
	port uint32
}

// resolved is what a proxy does with one message: the route that takes it, with everything settled that the message decides.
type resolved struct {
	choices []choice
	total   uint32
	// direct is an answer of the proxy's own: a redirect, a fixed one, or the refusal of an unknown host. NoAnswer without.
	direct AnswerID
	// preflight is the answer of CORS, origin what it lets through; see cors.go.
	preflight AnswerID
	cors      *corsDecision

	faults []fault
	// ops are the route's own header operations, for answers.
	ops     *model.HeaderOps
	hash    *model.HashPolicy
	retry   *retryPolicy
	timeout time.Duration
	mirrors []mirror
	own     [1]choice // where there is no more than one
	// name of the route; empty where none took the message.
	name string
	// operation names the spans.
	operation string
}

// choice is one destination of a route.
type choice struct {
	weight uint32
	// message is what is sent on, original the path before it was rewritten.
	message messageID
	// cluster is nil where there is none of that name.
	cluster  *cluster
	ops      *model.HeaderOps
	original string
	name     string // of the cluster
}

// resolve finds what a proxy does with a message, once for each.
func (p *proxy) resolve(id messageID) *resolved {
	if r := p.routes.get(id); r != nil {
		return r
	}
	var r *resolved
	if p.kind == model.Router {
		r = p.gatewayRoute(id)
	} else {
		r = p.sidecarRoute(id)
	}
	p.routes.put(id, r)
	return r
}

// blocked is the answer to what no service stands for, where a sidecar is its app's HTTP proxy.
func (m *Mesh) blocked() *resolved {
	return &resolved{name: "block_all", direct: m.answers.of(Answer{Status: 502})}
}

func (p *proxy) sidecarRoute(id messageID) *resolved {
	m := p.mesh
	at, known := p.domain(m.message(id).Authority)
	if !known {
		return m.blocked()
	}
	leased := m.leased(at.host)
	svc := p.service(at.host)
	caller := match.Caller{Gateway: model.MeshGateway, Namespace: p.workload.Namespace, Labels: p.workload.Labels, Port: at.port}
	if rule := m.snap.MeshRule(at.host, p.workload.Namespace); rule != nil {
		if r, said := p.byRule(rule, caller, id, func(*model.HTTPRoute) (hostPort, []*model.LeasedFault) { return at, leased }); r != nil || said {
			return r
		}
	}
	if svc == nil {
		return nil
	}
	// No rule, or one that says nothing to these callers or on this port.
	return p.compile(&model.HTTPRoute{Destinations: []*model.Destination{{Host: at.host, Port: at.port}}}, nil, id, at, leased)
}

// byRule goes through a rule's routes. said tells that one of them can hold for the caller at all.
func (p *proxy) byRule(
	rule *model.VirtualService, caller match.Caller, id messageID, at func(*model.HTTPRoute) (hostPort, []*model.LeasedFault),
) (r *resolved, said bool) {
	x := &p.mesh.message(id).Request
	for _, h := range rule.HTTP {
		if len(h.Match) == 0 {
			to, leased := at(h)
			return p.compile(h, nil, id, to, leased), true
		}
		for _, hm := range h.Match {
			if !caller.Applies(rule, hm) {
				continue
			}
			said = true
			if p.mesh.matcher(hm).Matches(x) && claimsMatch(hm, p.mesh.message(id).Claims) {
				to, leased := at(h)
				return p.compile(h, hm, id, to, leased), true
			}
		}
	}
	return nil, said
}

// matcher reads the conditions of a match once. Refused has found those that cannot be read.
func (m *Mesh) matcher(hm *model.HTTPMatch) *match.Matcher {
	out := m.matchers[hm]
	if out == nil {
		var err error
		if out, err = match.New(withoutClaims(hm)); err != nil {
			panic(err)
		}
		m.matchers[hm] = out
	}
	return out
}

// domain finds the host and port that an authority means to a sidecar: exactly, else by the longest *.suffix.
func (p *proxy) domain(authority string) (hostPort, bool) {
	names := p.mesh.domainsOf(p.workload.Namespace)
	authority = strings.ToLower(authority)
	if at, ok := names[authority]; ok {
		return at, true
	}
	for i := range authority {
		if authority[i] == '.' {
			if at, ok := names["*"+authority[i:]]; ok {
				return at, true
			}
		}
	}
	return hostPort{}, false
}

// domainsOf lists the names under which callers of a namespace reach hosts. Of two that claim a name the first by host and port has it.
func (m *Mesh) domainsOf(namespace string) map[string]hostPort {
	if names := m.domains[namespace]; names != nil {
		return names
	}
	var all []hostPort
	for host, svc := range m.snap.Services.All() {
		if !svc.VisibleFrom(namespace) {
			continue
		}
		for _, port := range svc.Ports {
			if port.Protocol.IsHTTP() {
				all = append(all, hostPort{host, port.Number})
			}
		}
	}
	m.snap.MeshRuleHosts(func(host string, rules []*model.VirtualService) bool {
		visible := slices.ContainsFunc(rules, func(v *model.VirtualService) bool { return v.VisibleFrom(namespace) })
		if svc := m.snap.Services.At(host); visible && (svc == nil || !svc.VisibleFrom(namespace)) {
			all = append(all, hostPort{host, 80})
		}
		return true
	})
	slices.SortStableFunc(all, func(a, b hostPort) int {
		return strings.Compare(fmt.Sprintf("%s:%d", a.host, a.port), fmt.Sprintf("%s:%d", b.host, b.port))
	})
	names := map[string]hostPort{}
	for _, at := range all {
		for _, name := range m.namesOf(at, namespace) {
			if _, taken := names[name]; !taken {
				names[name] = at
			}
		}
	}
	m.domains[namespace] = names
	return names
}

// namesOf lists the names of a host on a port for an app that asks its sidecar as an HTTP proxy: with the port, and alone for port 80.
func (m *Mesh) namesOf(at hostPort, namespace string) []string {
	names := []string{at.host}
	if svc := m.snap.Services.At(at.host); svc != nil && svc.Name != "" {
		in := svc.Name + "." + svc.Namespace
		suffix, _, _ := strings.Cut(m.snap.Mesh.Domain, ".")
		names = append(names, in+"."+suffix, in)
		if svc.Namespace == namespace {
			names = append(names, svc.Name)
		}
		if svc.Address != "" {
			names = append(names, svc.Address)
		}
	}
	var out []string
	for _, n := range names {
		n = strings.ToLower(n)
		if at.port == 80 {
			out = append(out, n)
		}
		out = append(out, fmt.Sprintf("%s:%d", n, at.port))
	}
	return out
}

// leased are the faults of the scenario on a host.
func (m *Mesh) leased(host string) []*model.LeasedFault {
	if f := m.snap.Faults.At(host); f != nil {
		return f.List
	}
	return nil
}

// compile settles everything about a route that a message decides. to is the host that spans and destinations without a port mean.
func (p *proxy) compile(h *model.HTTPRoute, hm *model.HTTPMatch, id messageID, to hostPort, leased []*model.LeasedFault) *resolved {
	m := p.mesh
	x := m.message(id)
	r := &resolved{name: h.Name, operation: fmt.Sprintf("%s:%d/*", to.host, to.port), ops: h.Headers, timeout: h.Timeout}
	if r.name == "" {
		r.name = "default"
	}
	if hm != nil && hm.Name != "" {
		r.name += "." + hm.Name
	}
	r.faults = p.faults(h.Fault, leased, x)
	switch {
	case h.Redirect != nil:
		r.direct = m.changed(m.answers.of(redirect(h.Redirect, x)), h.Headers)
		return r
	case h.DirectResponse != nil:
		r.direct = m.changed(m.answers.of(directAnswer(h.DirectResponse)), h.Headers)
		return r
	}
	r.choices = r.own[:0]
	for _, d := range h.Destinations {
		c := choice{weight: d.Weight, ops: d.Headers}
		if len(h.Destinations) == 1 {
			c.weight = 1
		}
		port := m.portOf(d.Host, d.Port, to.port)
		c.name = clusterName(port, d.Subset, d.Host)
		c.cluster = p.cluster(hostPort{d.Host, port}, d.Subset)
		c.message, c.original = m.rewritten(h, hm, d, id)
		r.choices = append(r.choices, c)
		r.total += c.weight
		if r.hash == nil && c.cluster != nil && c.cluster.policy.LoadBalancer != nil {
			r.hash = c.cluster.policy.LoadBalancer.Hash
		}
	}
	r.retry = newRetryPolicy(h.Retries, r.hash != nil)
	for _, mr := range h.Mirrors {
		port := m.portOf(mr.Host, mr.Port, to.port)
		r.mirrors = append(r.mirrors, mirror{cluster: p.cluster(hostPort{mr.Host, port}, mr.Subset), percent: mr.Percent})
	}
	if h.CORS != nil {
		r.cors, r.preflight = m.corsOf(h.CORS, x)
	}
	return r
}

func (m *Mesh) portOf(host string, port, called uint32) uint32 {
	if port != 0 {
		return port
	}
	if svc := m.snap.Services.At(host); svc != nil && len(svc.Ports) == 1 {
		return svc.Ports[0].Number
	}
	return called
}

// rewritten is the message that goes on to a destination, and the path before if it is another now.
func (m *Mesh) rewritten(h *model.HTTPRoute, hm *model.HTTPMatch, d *model.Destination, id messageID) (messageID, string) {
	x := *m.message(id)
	x.Claims = nil
	before := x.Path
	authority := authoritySet(h.Headers)
	if a := authoritySet(d.Headers); a != "" {
		authority = a
	}
	for _, ops := range []*model.HeaderOps{d.Headers, h.Headers} {
		if ops != nil {
			x.Headers = setHeaders(x.Headers, ops.RequestSet, ops.RequestAdd, ops.RequestRemove)
		}
	}
	if rw := h.Rewrite; rw != nil {
		x.Path = rewrite(rw, hm, x.Path)
		if rw.Authority != "" {
			authority = rw.Authority
		}
	}
	if authority != "" {
		x.Authority = authority
	}
	if x.Path == before {
		before = ""
	}
	return m.messages.of(x), before
}

var backReference = regexp.MustCompile(`\\(\d)`)

// rewrite changes a path: what matched is replaced, the query stays.
func rewrite(rw *model.Rewrite, hm *model.HTTPMatch, path string) string {
	bare, query, found := strings.Cut(path, "?")
	if found {
		query = "?" + query
	}
	if rw.Regex != "" {
		return regexp.MustCompile(rw.Regex).ReplaceAllString(bare, backReference.ReplaceAllString(rw.Substitution, "$${$1}")) + query
	}
	if rw.URI == "" {
		return path
	}
	matched := "/"
	if hm != nil && hm.URI != nil {
		matched = bare
		if hm.URI.Kind == model.Prefix {
			matched = bare[:min(len(bare), len(hm.URI.Value))]
		}
	}
	return rw.URI + bare[len(matched):] + query
}

// choose draws a destination by weight.
func (r *resolved) choose(p *proxy) *choice {
	if len(r.choices) == 1 || r.total == 0 {
		return &r.choices[0]
	}
	n := p.draws.route().Uint32N(r.total)
	for i := range r.choices {
		c := &r.choices[i]
		if n < c.weight {
			return c
		}
		n -= c.weight
	}
	panic("sim: weights that do not sum up")
}
