package eval

import (
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	commonfaultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
)

// faults lists what the connection manager's fault filters may do to the request on this route. A filter whose headers do
// not hold, or that is at 0 per cent, does nothing and is left out.
func (e *evaluation) faults(r *routev3.Route) error {
	for _, f := range e.hcm.GetHttpFilters() {
		packed := r.GetTypedPerFilterConfig()[f.GetName()]
		if packed == nil {
			packed = f.GetTypedConfig()
		}
		var fault faultv3.HTTPFault
		if packed == nil || !packed.MessageIs(&fault) {
			continue
		}
		if err := packed.UnmarshalTo(&fault); err != nil {
			return fmt.Errorf("fault filter %s: %w", f.GetName(), err)
		}
		met := true
		for _, h := range fault.GetHeaders() {
			ok, err := e.header(h)
			if err != nil {
				return fmt.Errorf("fault filter %s: %w", f.GetName(), err)
			}
			met = met && ok
		}
		if !met {
			continue
		}
		out := Fault{Filter: f.GetName()}
		if p := e.armed(fault.GetDelay().GetPercentage(), fault.GetDelayPercentRuntime()); p > 0 {
			out.Delay = fmt.Sprintf("%s for %v %% of the requests", delayText(fault.GetDelay()), p)
		}
		if p := e.armed(fault.GetAbort().GetPercentage(), fault.GetAbortPercentRuntime()); p > 0 {
			out.Abort = fmt.Sprintf("%s for %v %% of the requests", abortText(fault.GetAbort()), p)
		}
		if out.Delay+out.Abort != "" {
			e.out.Faults = append(e.out.Faults, out)
		}
	}
	return nil
}

// armed is the percentage in force: the runtime's, where a key is named and set.
func (e *evaluation) armed(p *typev3.FractionalPercent, key string) float64 {
	if v, ok := e.c.Runtime[key]; ok && key != "" {
		return v
	}
	return percentOf(p)
}

func delayText(d *commonfaultv3.FaultDelay) string {
	if d.GetFixedDelay() == nil {
		return "as a header asks"
	}
	return d.GetFixedDelay().AsDuration().String()
}

func abortText(a *faultv3.FaultAbort) string {
	switch t := a.GetErrorType().(type) {
	case *faultv3.FaultAbort_HttpStatus:
		return fmt.Sprintf("status %d", t.HttpStatus)
	case *faultv3.FaultAbort_GrpcStatus:
		return fmt.Sprintf("gRPC status %d", t.GrpcStatus)
	}
	return "as a header asks"
}
