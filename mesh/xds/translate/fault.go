package translate

import (
	commonfaultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	runtimev3 "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/squallmesh/squall/mesh/model"
)

func httpFault(delay *model.Delay, abort *model.Abort) *faultv3.HTTPFault {
	out := &faultv3.HTTPFault{}
	if delay != nil {
		out.Delay = &commonfaultv3.FaultDelay{
			FaultDelaySecifier: &commonfaultv3.FaultDelay_FixedDelay{FixedDelay: duration(delay.Fixed)},
			Percentage:         fraction(delay.Percent),
		}
	}
	if abort != nil {
		out.Abort = &faultv3.FaultAbort{Percentage: fraction(abort.Percent)}
		if abort.GRPCStatus != nil {
			out.Abort.ErrorType = &faultv3.FaultAbort_GrpcStatus{GrpcStatus: *abort.GRPCStatus}
		} else {
			out.Abort.ErrorType = &faultv3.FaultAbort_HttpStatus{HttpStatus: abort.HTTPStatus}
		}
	}
	return out
}

// leaseKey names the runtime key that arms one half of a leased fault.
func leaseKey(f *model.LeasedFault, what string) string {
	return "squall." + LeaseLayer(f.Slot) + "." + what + "_percent"
}

// leasedFault is the rule of a scenario's fault: at 0 per cent until its runtime layer says otherwise.
func leasedFault(f *model.LeasedFault) *faultv3.HTTPFault {
	var delay *model.Delay
	var abort *model.Abort
	if f.Delay != nil {
		delay = &model.Delay{Fixed: f.Delay.Fixed}
	}
	if f.Abort != nil {
		abort = &model.Abort{HTTPStatus: f.Abort.HTTPStatus, GRPCStatus: f.Abort.GRPCStatus}
	}
	out := httpFault(delay, abort)
	if delay != nil {
		out.DelayPercentRuntime = leaseKey(f, "delay")
	}
	if abort != nil {
		out.AbortPercentRuntime = leaseKey(f, "abort")
	}
	for _, h := range f.Headers {
		out.Headers = append(out.Headers, headerMatch(h))
	}
	return out
}

// faultConfig is the per-route configuration of the fault filters: the rule's own fault and those of scenarios.
func (r *reader) faultConfig(fault *model.Fault, leased []*model.LeasedFault) map[string]*anypb.Any {
	out := map[string]*anypb.Any{}
	if fault != nil {
		r.from(fault.Pos)
		out[FaultFilter] = packed(httpFault(fault.Delay, fault.Abort))
	}
	n := 0
	for _, f := range leased {
		if n < LeaseFilters && model.Labels(r.scope.labels, f.From) {
			out[LeaseFilter(n)] = packed(leasedFault(f))
			n++
		}
	}
	return out
}

// buildLeaseLayer gives the runtime layer of one lease. It is always there, since Envoy waits for it at its
// start, and empty while the lease does not run.
func buildLeaseLayer(r *reader, slot int) {
	r.note(partLease, LeaseLayer(slot))
	fields := map[string]*structpb.Value{}
	if f := r.t.leases[slot]; f != nil && f.Armed {
		if f.Delay != nil {
			fields[leaseKey(f, "delay")] = fractionValue(f.Delay.Percent)
		}
		if f.Abort != nil {
			fields[leaseKey(f, "abort")] = fractionValue(f.Abort.Percent)
		}
	}
	name := LeaseLayer(slot)
	r.add(Runtime, name, &runtimev3.Runtime{Name: name, Layer: &structpb.Struct{Fields: fields}})
}

func fractionValue(percent float64) *structpb.Value {
	f := fraction(percent)
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		"numerator":   structpb.NewNumberValue(float64(f.GetNumerator())),
		"denominator": structpb.NewStringValue("MILLION"),
	}})
}
