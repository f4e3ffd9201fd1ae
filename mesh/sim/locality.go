package sim

import (
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// group is the endpoints of one locality and priority.
type group struct {
	locality model.Locality
	priority uint32
	weight   uint32
	list     []model.Endpoint
}

// localityGroups sorts endpoints by locality and says which come first for a caller. As in Istio failover needs outlier detection, and
// distribution excludes failover.
func localityGroups(list []model.Endpoint, from model.Locality, labels map[string]string, policy model.TrafficPolicy) []*group {
	lb := &model.LocalityLB{}
	if policy.LoadBalancer != nil && policy.LoadBalancer.Locality != nil {
		lb = policy.LoadBalancer.Locality
	}
	failover := policy.Outlier != nil && !lb.Disabled && len(lb.Distribute) == 0 && (from != model.Locality{} || len(lb.FailoverPriority) > 0)
	var groups []*group
	for _, e := range list {
		rank := uint32(0)
		if failover {
			rank = lb.FailoverRank(from, labels, e)
		}
		i := slices.IndexFunc(groups, func(g *group) bool { return g.locality == e.Locality && g.priority == rank })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &group{locality: e.Locality, priority: rank})
		}
		groups[i].weight += max(1, e.Weight)
		groups[i].list = append(groups[i].list, e)
	}
	slices.SortStableFunc(groups, func(a, b *group) int {
		if a.priority != b.priority {
			return int(a.priority) - int(b.priority)
		}
		return strings.Compare(a.locality.String(), b.locality.String())
	})
	// Priorities count from 0 without gaps.
	next, last := uint32(0), uint32(0)
	for i, g := range groups {
		if i > 0 && g.priority != last {
			next++
		}
		last, g.priority = g.priority, next
	}
	if lb.Disabled {
		return groups
	}
	for _, d := range lb.Distribute {
		if from.In(d.From) {
			return distributed(groups, d)
		}
	}
	return groups
}

// distributed gives each share of a rule to the localities that it names, by their weights, and leaves out the others.
func distributed(groups []*group, d model.Distribute) []*group {
	var out []*group
	for _, to := range d.To {
		var matched []*group
		total := uint32(0)
		for _, g := range groups {
			if !slices.Contains(out, g) && g.locality.In(to.Locality) {
				matched = append(matched, g)
				total += g.weight
			}
		}
		for _, g := range matched {
			g.weight = max(1, to.Weight*g.weight/max(1, total))
			out = append(out, g)
		}
	}
	slices.SortStableFunc(out, func(a, b *group) int { return strings.Compare(a.locality.String(), b.locality.String()) })
	return out
}
