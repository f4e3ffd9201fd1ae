package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// Input is what is looked at.
type Input struct {
	// Set are the documents, for the places of fields.
	Set config.Set
	// Snapshot is what they come to. Its endpoints are known if it was built with workloads.
	Snapshot model.Snapshot
	// Routers are the workloads that gateways may select; empty if not known.
	Routers []*model.Workload
	// Proxies are those of the workloads; empty if not known.
	Proxies []*model.Proxy
	// Calls are which workloads call which services; empty if not known.
	Calls []Call
}

// Call says that a workload calls a service.
type Call struct {
	// From is a Deployment's name, or the label app of several.
	From string
	// To is the full name of a service.
	To string
}

// Rule is one kind of finding.
type Rule struct {
	// Code names it, in capitals.
	Code string
	// Finds says in one sentence what it finds, Because why that cannot do what it says.
	Finds, Because string
	// Scenario of the catalogue that shows it on a real Envoy; empty if none does yet.
	Scenario string

	check func(*pass)
}

// Finding is a diagnostic with the scenario that shows what it says.
type Finding struct {
	diag.Diagnostic
	Scenario string `json:"scenario,omitempty"`
}

// Check gives the findings of all rules, by place. Each is a warning.
func Check(in Input) []Finding {
	p := &pass{Input: in, used: map[string]map[string]bool{}, seen: map[string]bool{}}
	p.findRoutes()
	p.findClusters()
	for _, rule := range All() {
		p.rule = rule
		rule.check(p)
	}
	return sorted(p.found)
}

func sorted(found []Finding) []Finding {
	slices.SortStableFunc(found, func(a, b Finding) int {
		switch {
		case a.Pos.Before(b.Pos):
			return -1
		case b.Pos.Before(a.Pos):
			return 1
		}
		return strings.Compare(a.Code, b.Code)
	})
	return found
}

// With adds what was found when the rules were read, and gives the diagnostics that are no findings apart.
func With(found []Finding, read diag.List) (all []Finding, rest diag.List) {
	all = slices.Clone(found)
	for _, d := range read.Sorted() {
		i := slices.IndexFunc(Read(), func(r Rule) bool { return r.Code == d.Code })
		if i < 0 || d.Severity != diag.Warning {
			rest.Add(d)
			continue
		}
		all = append(all, Finding{Diagnostic: d, Scenario: Read()[i].Scenario})
	}
	return sorted(all), rest
}

// pass is one run over the input.
type pass struct {
	Input
	rule     Rule
	routes   []*route
	clusters []*cluster
	// used says which subsets of a host get requests; "" is the whole host.
	used  map[string]map[string]bool
	seen  map[string]bool
	found []Finding
}

// report adds a finding, once for each place.
func (p *pass) report(pos diag.Pos, hint, format string, args ...any) {
	key := p.rule.Code + " " + pos.String()
	if p.seen[key] {
		return
	}
	p.seen[key] = true
	p.found = append(p.found, Finding{Scenario: p.rule.Scenario, Diagnostic: diag.Diagnostic{
		Code: p.rule.Code, Severity: diag.Warning, Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint,
	}})
}

// route is an HTTP route of a VirtualService, with where it is written.
type route struct {
	*model.HTTPRoute
	rule *model.VirtualService
	// index among the routes of its rule.
	index int
	doc   *config.Document
	path  string
}

// at gives the place of a field of the route, or of the route.
func (r *route) at(field string) diag.Pos {
	if r.doc == nil {
		return r.Pos
	}
	return r.doc.Where(r.path + "." + field)
}

// written says whether a field of the route is.
func (r *route) written(field string) bool {
	if r.doc == nil {
		return false
	}
	_, ok := r.doc.Written(r.path + "." + field)
	return ok
}

// attempts is how often the rule has a request tried again; 0 if it says nothing, or nothing is sent.
func (r *route) attempts() uint32 {
	if r.Retries == nil || len(r.Destinations) == 0 {
		return 0
	}
	return r.Retries.Attempts
}

func (p *pass) findRoutes() {
	type where struct {
		doc  *config.Document
		path string
	}
	places := map[diag.Pos]where{}
	for _, doc := range p.Set.Documents() {
		if doc.Kind != "VirtualService" {
			continue
		}
		for i := 0; ; i++ {
			path := fmt.Sprintf("spec.http[%d]", i)
			pos, ok := doc.Written(path)
			if !ok {
				break
			}
			places[pos] = where{doc, path}
		}
	}
	for _, v := range p.Snapshot.VirtualServices.All() {
		for i, h := range v.HTTP {
			at := places[h.Pos]
			p.routes = append(p.routes, &route{HTTPRoute: h, rule: v, index: i, doc: at.doc, path: at.path})
			for _, d := range h.Destinations {
				p.use(d.Host, d.Subset)
			}
			for _, m := range h.Mirrors {
				p.use(m.Host, m.Subset)
			}
		}
		for _, t := range v.TCP {
			for _, d := range t.Destinations {
				p.use(d.Host, d.Subset)
			}
		}
		for _, t := range v.TLS {
			for _, d := range t.Destinations {
				p.use(d.Host, d.Subset)
			}
		}
	}
}

func (p *pass) use(host, subset string) {
	if p.used[host] == nil {
		p.used[host] = map[string]bool{}
	}
	p.used[host][subset] = true
}

// cluster is a port of a service, or of one of its subsets, that gets requests and has a DestinationRule.
type cluster struct {
	service *model.Service
	port    model.Port
	subset  string
	rule    *model.DestinationRule
	policy  model.TrafficPolicy
	doc     *config.Document
	// hosts is how many endpoints it has.
	hosts int
}

// name for messages: shop, or shop subset v1.
func (c *cluster) name() string {
	if c.subset == "" {
		return shortHost(c.service.Host)
	}
	return shortHost(c.service.Host) + " subset " + c.subset
}

func shortHost(host string) string {
	name, _, _ := strings.Cut(host, ".")
	if strings.HasSuffix(host, ".svc.cluster.local") {
		return name
	}
	return host
}

// at gives the place of a field of the policy in force, from the narrowest policy that has it.
func (c *cluster) at(field string) diag.Pos {
	if c.doc == nil {
		return c.rule.Pos
	}
	var below []string
	add := func(policy *model.TrafficPolicy, path string) {
		if policy == nil {
			return
		}
		for i, pp := range policy.Ports {
			if pp.Port == c.port.Number {
				below = append(below, fmt.Sprintf("%s.portLevelSettings[%d]", path, i))
			}
		}
		below = append(below, path)
	}
	for i, s := range c.rule.Subsets {
		if s.Name == c.subset {
			add(s.Policy, fmt.Sprintf("spec.subsets[%d].trafficPolicy", i))
		}
	}
	add(c.rule.Policy, "spec.trafficPolicy")
	// The field itself where it is written, else the part that it belongs to.
	for field != "" {
		for _, path := range below {
			if pos, ok := c.doc.Written(path + "." + field); ok {
				return pos
			}
		}
		field = field[:max(0, strings.LastIndexByte(field, '.'))]
	}
	return c.rule.Pos
}

func (p *pass) findClusters() {
	for host, svc := range p.Snapshot.Services.All() {
		rule := p.Snapshot.DestinationRule(host, svc.Namespace)
		if p.Snapshot.MeshRule(host, svc.Namespace) == nil {
			p.use(host, "")
		}
		if rule == nil {
			continue
		}
		for _, port := range svc.Ports {
			subsets := []string{""}
			for _, s := range rule.Subsets {
				subsets = append(subsets, s.Name)
			}
			for _, subset := range subsets {
				if !p.used[host][subset] {
					continue
				}
				p.clusters = append(p.clusters, &cluster{
					service: svc, port: port, subset: subset, rule: rule, policy: rule.For(subset, port.Number),
					doc: p.Set.Get("DestinationRule", rule.Namespace, rule.Name), hosts: p.hosts(svc, port.Number, rule.Subset(subset)),
				})
			}
		}
	}
}

// hosts counts the endpoints of a service's port, of a subset or all.
func (p *pass) hosts(svc *model.Service, port uint32, subset *model.Subset) int {
	n := 0
	if list := p.Snapshot.Endpoints.At(svc.Host); list != nil {
		for _, e := range list.List {
			_, has := e.Ports[port]
			if has && (subset == nil || model.Labels(e.Labels, subset.Labels)) {
				n++
			}
		}
	}
	return n
}

// to gives the clusters that a route sends to, as far as a DestinationRule rules them.
func (p *pass) to(r *route) []*cluster {
	var out []*cluster
	for _, d := range r.Destinations {
		for _, c := range p.clusters {
			if c.service.Host == d.Host && c.subset == d.Subset && (d.Port == 0 || d.Port == c.port.Number) && c.port.Protocol.IsHTTP() {
				out = append(out, c)
				break
			}
		}
	}
	return out
}
