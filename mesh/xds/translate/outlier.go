package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// applyOutlier sets outlier detection as Istio does: a count that is set is enforced always, 0 never; 5xx
// unset keeps Envoy's five at 100 %; success rate is off; without minHealthPercent there is no panic.
func applyOutlier(c *clusterv3.Cluster, o *model.OutlierDetection) {
	if o == nil {
		return
	}
	out := &clusterv3.OutlierDetection{
		EnforcingSuccessRate:           wrapperspb.UInt32(0),
		Interval:                       optional(o.Interval),
		BaseEjectionTime:               optional(o.BaseEjection),
		MaxEjectionPercent:             pointerU32(o.MaxEjectionPercent),
		SplitExternalLocalOriginErrors: o.SplitLocalOrigin,
	}
	out.Consecutive_5Xx, out.EnforcingConsecutive_5Xx = enforced(o.Consecutive5xx)
	out.ConsecutiveGatewayFailure, out.EnforcingConsecutiveGatewayFailure = enforced(o.ConsecutiveGateway)
	if o.SplitLocalOrigin {
		out.ConsecutiveLocalOriginFailure, out.EnforcingConsecutiveLocalOriginFailure = enforced(o.ConsecutiveLocalOrigin)
		out.EnforcingLocalOriginSuccessRate = wrapperspb.UInt32(0)
	}
	c.OutlierDetection = out
	var healthy uint32
	if o.MinHealthPercent != nil {
		healthy = *o.MinHealthPercent
	}
	commonLB(c).HealthyPanicThreshold = &typev3.Percent{Value: float64(healthy)}
}

func enforced(n *uint32) (count, enforcing *wrapperspb.UInt32Value) {
	switch {
	case n == nil:
		return nil, nil
	case *n == 0:
		return nil, wrapperspb.UInt32(0)
	}
	return wrapperspb.UInt32(*n), wrapperspb.UInt32(100)
}
