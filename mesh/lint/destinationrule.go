package lint

import (
	"fmt"
	"slices"

	"github.com/squallmesh/squall/mesh/model"
)

// emptySubset finds subsets that get requests and have nobody to answer them.
func emptySubset(p *pass) {
	for _, c := range p.clusters {
		whole := p.hosts(c.service, c.port.Number, nil)
		if c.subset == "" || c.hosts > 0 || whole == 0 {
			continue
		}
		s := c.rule.Subset(c.subset)
		p.report(s.Pos, "compare the labels with those of the pods",
			"none of the %d endpoints of %s has the labels %s of subset %s: requests sent there get 503 (UH)", whole, shortHost(c.service.Host), labelText(s.Labels), c.subset)
	}
}

// unusedPolicy finds policies of subsets that no route sends to.
func unusedPolicy(p *pass) {
	for _, d := range p.Snapshot.DestinationRules.All() {
		doc := p.Set.Get("DestinationRule", d.Namespace, d.Name)
		for i, s := range d.Subsets {
			if s.Policy == nil || p.usedBelow(d.Host, s.Name) {
				continue
			}
			pos := s.Pos
			if doc != nil {
				pos = doc.Where(fmt.Sprintf("spec.subsets[%d].trafficPolicy", i))
			}
			p.report(pos, "send a route to the subset, or move the policy to the rule's own trafficPolicy",
				"the policy of subset %s never holds: 0 routes send to this subset of %s", s.Name, shortHost(d.Host))
		}
	}
}

// usedBelow says whether a subset of a host gets requests, or of one that the host, a wildcard, stands for.
func (p *pass) usedBelow(host, subset string) bool {
	for used, subsets := range p.used {
		if subsets[subset] && slices.Contains(model.HostPatterns(used), host) {
			return true
		}
	}
	return false
}
