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
	if d := lb.DistributeFrom(from); d != nil {
		return distributed(groups, d)
	}
	return groups
}

// distributed leaves out the groups to which a rule gives nothing, and gives the others what it does.
func distributed(groups []*group, d *model.Distribute) (out []*group) {
	var places []model.Locality
	var weights []uint32
	for _, g := range groups {
		places, weights = append(places, g.locality), append(weights, g.weight)
	}
	for i, w := range d.Weights(places, weights) {
		if w > 0 {
			groups[i].weight = w
			out = append(out, groups[i])
		}
	}
	slices.SortStableFunc(out, func(a, b *group) int { return strings.Compare(a.locality.String(), b.locality.String()) })
	return out
}
