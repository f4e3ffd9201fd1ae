package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// callers counts the workloads that call a service.
func (p *pass) callers(host string) int {
	found := map[string]bool{}
	for _, call := range p.Calls {
		if call.To != host {
			continue
		}
		for key, w := range p.Snapshot.Workloads.All() {
			if call.from(w) {
				found[key] = true
			}
		}
	}
	return len(found)
}

func (c Call) from(w *model.Workload) bool { return w.Owner == c.From || w.Labels["app"] == c.From }

// tier is a service on a way through the call graph, and the route whose retries multiply what it gets.
type tier struct {
	host  string
	tries uint64
	route *route
}

// retriesMultiply finds ways through the call graph on which several tiers retry: each multiplies what the next one gets.
func retriesMultiply(p *pass) {
	worst := map[string][]tier{}
	arrived := map[string]uint64{}
	var walk func(way []tier)
	walk = func(way []tier) {
		last := way[len(way)-1]
		tries, retrying := amplification(way)
		if tries <= arrived[last.host] {
			return // another way here is as bad, and so is all that follows
		}
		arrived[last.host] = tries
		if retrying > 1 && last.tries > 1 {
			if old, _ := amplification(worst[last.host]); tries > old {
				worst[last.host] = slices.Clone(way)
			}
		}
		for _, next := range p.calledBy(last.host) {
			if !slices.ContainsFunc(way, func(t tier) bool { return t.host == next }) {
				walk(append(slices.Clone(way), p.tier(next)))
			}
		}
	}
	for _, call := range p.Calls {
		walk([]tier{p.tier(call.To)})
	}
	for _, call := range p.Calls { // in the order of the calls, each once by its place
		way := worst[call.To]
		if len(way) == 0 {
			continue
		}
		tries, _ := amplification(way)
		var names, factors []string
		for _, t := range way {
			names = append(names, shortHost(t.host))
			factors = append(factors, fmt.Sprint(t.tries))
		}
		p.report(way[len(way)-1].route.at("retries.attempts"), "retry in one tier only, next to the failure, or set a retryBudget",
			"retries multiply: one request along %s may become %s = %d tries at %s when that fails",
			strings.Join(names, " -> "), strings.Join(factors, " × "), tries, names[len(names)-1])
	}
}

func amplification(way []tier) (tries uint64, retrying int) {
	tries = 1
	for _, t := range way {
		tries *= t.tries
		if t.tries > 1 {
			retrying++
		}
	}
	return tries, retrying
}

// tier gives the most tries that a rule of the mesh makes of one call to a host.
func (p *pass) tier(host string) tier {
	out := tier{host: host, tries: 1}
	for _, r := range p.routes {
		sends := slices.ContainsFunc(r.Destinations, func(d *model.Destination) bool { return d.Host == host })
		if n := uint64(r.attempts()) + 1; sends && slices.Contains(r.rule.Hosts, host) && n > out.tries {
			out.tries, out.route = n, r
		}
	}
	return out
}

// calledBy gives the services that the workloads behind a service call.
func (p *pass) calledBy(host string) []string {
	svc := p.Snapshot.Services.At(host)
	if svc == nil || len(svc.Selector) == 0 {
		return nil
	}
	var out []string
	for _, call := range p.Calls {
		for _, w := range p.Snapshot.Workloads.All() {
			if w.Namespace == svc.Namespace && model.Labels(w.Labels, svc.Selector) && call.from(w) && !slices.Contains(out, call.To) {
				out = append(out, call.To)
			}
		}
	}
	return out
}

// removedHeader finds matches on a header that the route before takes away: an app can pass on only what it gets.
func removedHeader(p *pass) {
	for _, r := range p.routes {
		if r.Headers == nil {
			continue
		}
		for _, name := range r.Headers.RequestRemove {
			for _, d := range r.Destinations {
				for _, next := range p.calledBy(d.Host) {
					p.matchedBehind(r, strings.ToLower(name), shortHost(d.Host), next)
				}
			}
		}
	}
}

func (p *pass) matchedBehind(removing *route, header, via, host string) {
	for _, r := range p.routes {
		if !slices.Contains(r.rule.Hosts, host) {
			continue
		}
		for i, m := range r.Match {
			if slices.ContainsFunc(m.Headers, func(h model.NamedMatch) bool { return h.Name == header }) {
				p.report(r.at(fmt.Sprintf("match[%d]", i)), "remove the header on the last route that needs it",
					"calls of %s never meet this match: the route to it at %s removes %s, and %s can pass on only what it gets", via, removing.Pos, header, via)
			}
		}
	}
}
