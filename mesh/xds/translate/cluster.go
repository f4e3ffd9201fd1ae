package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/squallmesh/squall/mesh/model"
)

// buildClusters gives the outbound clusters of a host: each port, whole and per subset.
func buildClusters(r *reader, host string) {
	svc := r.service(host)
	if svc == nil {
		return
	}
	rule := r.destinationRule(host)
	for _, p := range svc.Ports {
		if p.Protocol == model.UDP {
			continue
		}
		r.outboundCluster(svc, p, rule, "")
		if rule != nil {
			for _, s := range rule.Subsets {
				r.from(s.Pos)
				r.outboundCluster(svc, p, rule, s.Name)
			}
		}
	}
}

func (r *reader) outboundCluster(svc *model.Service, p model.Port, rule *model.DestinationRule, subset string) {
	if rule != nil {
		r.from(rule.Pos)
	}
	policy := rule.For(subset, p.Number)
	c := r.newCluster(OutboundCluster(p.Number, subset, svc.Host))
	switch svc.Resolution {
	case model.Static, model.DNS:
		// Hosts outside are stand-ins of the lab with addresses of their own, so nothing is looked up.
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}
		c.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads()}
	case model.None:
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_ORIGINAL_DST}
		c.LbPolicy = clusterv3.Cluster_CLUSTER_PROVIDED
	}
	if svc.Resolution != model.None {
		applyLoadBalancer(c, policy.LoadBalancer)
	}
	c.CircuitBreakers = thresholds(policy.Pool, policy.RetryBudget)
	applyPool(c, policy.Pool, p.Protocol)
	applyOutlier(c, policy.Outlier)
	r.applyHealthCheck(c, svc, p, subset)
	applyTLS(c, policy.TLS, svc.Host)
	r.applyMTLS(c, svc, p, subset, policy.TLS)
	r.add(Cluster, c.GetName(), c)
}

func (r *reader) newCluster(name string) *clusterv3.Cluster {
	m := r.mesh()
	c := &clusterv3.Cluster{
		Name:           name,
		AltStatName:    statName(name),
		ConnectTimeout: duration(m.ConnectTimeout),
	}
	if m.MergeWindow < 0 {
		commonLB(c).UpdateMergeWindow = duration(0)
	}
	return c
}

// buildStaticClusters gives the clusters that every proxy has.
func buildStaticClusters(r *reader) {
	black := r.newCluster(BlackHoleCluster)
	black.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	r.add(Cluster, BlackHoleCluster, black)
	if r.mesh().Capture == model.CaptureRedirect {
		r.passthroughClusters()
	}
}
