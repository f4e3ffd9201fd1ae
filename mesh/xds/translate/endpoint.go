package translate

import (
	"net/netip"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/squallmesh/squall/mesh/model"
)

// buildEndpoints gives the endpoints of all clusters of a host.
func buildEndpoints(r *reader, host string) {
	svc := r.service(host)
	if svc == nil || svc.Resolution == model.None {
		return
	}
	rule := r.destinationRule(host)
	all := r.endpoints(host)
	for _, p := range svc.Ports {
		if p.Protocol == model.UDP {
			continue
		}
		r.loadAssignment(host, p.Number, "", nil, all, rule)
		if rule != nil {
			for _, s := range rule.Subsets {
				r.from(s.Pos)
				r.loadAssignment(host, p.Number, s.Name, s.Labels, all, rule)
			}
		}
	}
}

func (r *reader) loadAssignment(
	host string, port uint32, subset string, labels map[string]string, all []model.Endpoint, rule *model.DestinationRule,
) {
	name := OutboundCluster(port, subset, host)
	var list []model.Endpoint
	for _, e := range all {
		// A name would have to be looked up outside of the lab: such a host has no endpoint here until a stand-in gives one.
		if _, err := netip.ParseAddr(e.Address); err != nil {
			continue
		}
		if _, ok := e.Ports[port]; ok && model.Labels(e.Labels, labels) {
			list = append(list, e)
		}
	}
	out := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	for _, g := range localityGroups(list, r.scope.locality, r.scope.labels, rule.For(subset, port)) {
		lle := &endpointv3.LocalityLbEndpoints{
			Locality: &corev3.Locality{Region: g.locality.Region, Zone: g.locality.Zone, SubZone: g.locality.SubZone},
			Priority: g.priority, LoadBalancingWeight: optionalU32(g.weight),
		}
		for _, e := range g.list {
			end := lbEndpoint(e, port, r.scope.relays)
			end.Metadata = r.tlsMode(e, e.Ports[port])
			lle.LbEndpoints = append(lle.LbEndpoints, end)
		}
		out.Endpoints = append(out.Endpoints, lle)
	}
	r.add(Endpoint, name, out)
}

func lbEndpoint(e model.Endpoint, port uint32, relays map[string]string) *endpointv3.LbEndpoint {
	address := e.Address
	if relay := relays[address]; relay != "" {
		address = relay
	}
	weight := e.Weight
	if weight == 0 {
		weight = 1
	}
	out := &endpointv3.LbEndpoint{
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: socket(model.Socket{Address: address, Port: e.Ports[port]}),
		}},
		LoadBalancingWeight: wrapU32(weight),
	}
	switch e.Health {
	case model.Unhealthy:
		out.HealthStatus = corev3.HealthStatus_UNHEALTHY
	case model.Draining:
		out.HealthStatus = corev3.HealthStatus_DRAINING
	case model.Healthy:
		out.HealthStatus = corev3.HealthStatus_HEALTHY
	}
	return out
}

// group is the endpoints of one locality (and, with failoverPriority, one rank).
type group struct {
	locality model.Locality
	priority uint32
	weight   uint32
	list     []model.Endpoint
}

// localityGroups sorts endpoints by locality and says which localities come first for a caller. As in Istio,
// failover needs outlier detection, and distribution excludes failover.
func localityGroups(list []model.Endpoint, from model.Locality, labels map[string]string, policy model.TrafficPolicy) []*group {
	var lb *model.LocalityLB
	if policy.LoadBalancer != nil {
		lb = policy.LoadBalancer.Locality
	}
	if lb == nil {
		lb = &model.LocalityLB{}
	}
	distribute := lb.DistributeFrom(from)
	failover := policy.Outlier != nil && !lb.Disabled && len(lb.Distribute) == 0 &&
		(from != model.Locality{} || len(lb.FailoverPriority) > 0)

	groups := map[string]*group{}
	var order []string
	for _, e := range list {
		var priority uint32
		if failover {
			priority = lb.FailoverRank(from, labels, e)
		}
		key := string(rune('0'+priority)) + e.Locality.String()
		if groups[key] == nil {
			groups[key] = &group{locality: e.Locality, priority: priority}
			order = append(order, key)
		}
		w := e.Weight
		if w == 0 {
			w = 1
		}
		groups[key].weight += w
		groups[key].list = append(groups[key].list, e)
	}
	slices.Sort(order)
	out := make([]*group, 0, len(order))
	for _, key := range order {
		out = append(out, groups[key])
	}
	compact(out)
	if distribute != nil {
		out = applyDistribution(out, distribute)
	}
	return out
}

// compact makes priorities count from 0 without gaps, as Envoy wants them. The groups are sorted by priority.
func compact(groups []*group) {
	next, last := uint32(0), uint32(0)
	for i, g := range groups {
		if i > 0 && g.priority != last {
			next++
		}
		last = g.priority
		g.priority = next
	}
}

// applyDistribution leaves out the groups to which the rule gives nothing, and gives the others what it does.
func applyDistribution(groups []*group, d *model.Distribute) (out []*group) {
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
	slices.SortFunc(out, func(a, b *group) int { return strings.Compare(a.locality.String(), b.locality.String()) })
	return out
}
