package config

import (
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

func (r reporter) outlier(in *networking.OutlierDetection, path string) *model.OutlierDetection {
	if in == nil {
		return nil
	}
	out := &model.OutlierDetection{
		Consecutive5xx:         number(in.Consecutive_5XxErrors),
		ConsecutiveGateway:     number(in.ConsecutiveGatewayErrors),
		ConsecutiveLocalOrigin: number(in.ConsecutiveLocalOriginFailures),
		SplitLocalOrigin:       in.SplitExternalLocalOriginErrors,
		Interval:               r.duration(in.Interval, path+".interval", false),
		BaseEjection:           r.duration(in.BaseEjectionTime, path+".baseEjectionTime", false),
		MaxEjectionPercent:     r.share(in.MaxEjectionPercent, path+".maxEjectionPercent"),
		MinHealthPercent:       r.share(in.MinHealthPercent, path+".minHealthPercent"),
	}
	if in.ConsecutiveLocalOriginFailures != nil && !in.SplitExternalLocalOriginErrors {
		r.warnf("NO-EFFECT", path+".consecutiveLocalOriginFailures", "consecutiveLocalOriginFailures has no effect without splitExternalLocalOriginErrors")
		r.hint("add splitExternalLocalOriginErrors: true")
	}
	return out
}

// share reads a percentage whose 0 is unset.
func (r reporter) share(n int32, path string) *uint32 {
	v := uint32(r.percent(float64(n), path))
	if v == 0 {
		return nil
	}
	return &v
}

func number(in *wrapperspb.UInt32Value) *uint32 {
	if in == nil {
		return nil
	}
	v := in.Value
	return &v
}
