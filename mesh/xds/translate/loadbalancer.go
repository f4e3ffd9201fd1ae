package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

func applyLoadBalancer(c *clusterv3.Cluster, lb *model.LoadBalancer) {
	if lb == nil {
		lb = &model.LoadBalancer{}
	}
	switch lb.Policy {
	case model.RoundRobin:
		c.LbPolicy = clusterv3.Cluster_ROUND_ROBIN
	case model.Random:
		c.LbPolicy = clusterv3.Cluster_RANDOM
	case model.RingHash:
		c.LbPolicy = clusterv3.Cluster_RING_HASH
		size := lb.Hash.MinimumRingSize
		if size == 0 {
			size = 1024
		}
		c.LbConfig = &clusterv3.Cluster_RingHashLbConfig_{RingHashLbConfig: &clusterv3.Cluster_RingHashLbConfig{
			MinimumRingSize: wrapperspb.UInt64(size),
		}}
	case model.Maglev:
		c.LbPolicy = clusterv3.Cluster_MAGLEV
		if lb.Hash.TableSize != 0 {
			c.LbConfig = &clusterv3.Cluster_MaglevLbConfig_{MaglevLbConfig: &clusterv3.Cluster_MaglevLbConfig{
				TableSize: wrapperspb.UInt64(lb.Hash.TableSize),
			}}
		}
	case model.LeastRequest, model.Passthrough, "":
		c.LbPolicy = clusterv3.Cluster_LEAST_REQUEST
	}
	if w := lb.Warmup; w != nil {
		applyWarmup(c, w)
	}
	if lb.Locality != nil && len(lb.Locality.Distribute) > 0 && !lb.Locality.Disabled {
		commonLB(c).LocalityConfigSpecifier = &clusterv3.Cluster_CommonLbConfig_LocalityWeightedLbConfig_{
			LocalityWeightedLbConfig: &clusterv3.Cluster_CommonLbConfig_LocalityWeightedLbConfig{},
		}
	}
}

// applyWarmup sets slow start; only round robin and least request know it.
func applyWarmup(c *clusterv3.Cluster, w *model.Warmup) {
	minimum, aggression := w.MinimumPercent, w.Aggression
	if minimum == 0 {
		minimum = 10
	}
	if aggression == 0 {
		aggression = 1
	}
	slow := &clusterv3.Cluster_SlowStartConfig{
		SlowStartWindow:  duration(w.Duration),
		Aggression:       &corev3.RuntimeDouble{DefaultValue: aggression, RuntimeKey: "squall.warmup.aggression"},
		MinWeightPercent: &typev3.Percent{Value: minimum},
	}
	switch c.GetLbPolicy() {
	case clusterv3.Cluster_ROUND_ROBIN:
		c.LbConfig = &clusterv3.Cluster_RoundRobinLbConfig_{RoundRobinLbConfig: &clusterv3.Cluster_RoundRobinLbConfig{SlowStartConfig: slow}}
	case clusterv3.Cluster_LEAST_REQUEST:
		c.LbConfig = &clusterv3.Cluster_LeastRequestLbConfig_{LeastRequestLbConfig: &clusterv3.Cluster_LeastRequestLbConfig{SlowStartConfig: slow}}
	}
}

func commonLB(c *clusterv3.Cluster) *clusterv3.Cluster_CommonLbConfig {
	if c.GetCommonLbConfig() == nil {
		c.CommonLbConfig = &clusterv3.Cluster_CommonLbConfig{}
	}
	return c.GetCommonLbConfig()
}

// hashPolicy is what a route hashes for a destination with a consistent hash, or nil.
func (r *reader) hashPolicy(d *model.Destination, at hostPort) *routev3.RouteAction_HashPolicy {
	rule := r.destinationRule(d.Host)
	policy := rule.For(d.Subset, r.portOf(d.Host, d.Port, at))
	if policy.LoadBalancer == nil || policy.LoadBalancer.Hash == nil {
		return nil
	}
	hash := policy.LoadBalancer.Hash
	out := &routev3.RouteAction_HashPolicy{}
	switch {
	case hash.Header != "":
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_Header_{
			Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: hash.Header},
		}
	case hash.QueryParam != "":
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_QueryParameter_{
			QueryParameter: &routev3.RouteAction_HashPolicy_QueryParameter{Name: hash.QueryParam},
		}
	case hash.Cookie != nil:
		cookie := &routev3.RouteAction_HashPolicy_Cookie{Name: hash.Cookie.Name, Path: hash.Cookie.Path}
		if hash.Cookie.TTL != nil {
			cookie.Ttl = duration(*hash.Cookie.TTL)
		}
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_Cookie_{Cookie: cookie}
	case hash.SourceIP:
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_ConnectionProperties_{
			ConnectionProperties: &routev3.RouteAction_HashPolicy_ConnectionProperties{SourceIp: true},
		}
	default:
		return nil
	}
	return out
}
