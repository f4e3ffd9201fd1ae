package config

import (
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// grpcStatuses are the names of gRPC's status codes; the index is the code.
var grpcStatuses = strings.Fields(`OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED
	RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED`)

func (r reporter) fault(in *networking.HTTPFaultInjection, path string) *model.Fault {
	if in == nil {
		return nil
	}
	out := &model.Fault{Pos: r.pos(path)}
	if in.Delay != nil {
		out.Delay = r.delay(in.Delay, path+".delay")
	}
	if in.Abort != nil {
		out.Abort = r.abort(in.Abort, path+".abort")
	}
	if in.Delay == nil && in.Abort == nil {
		r.missing(path, "a fault needs a delay or an abort")
	}
	return out
}

func (r reporter) delay(in *networking.HTTPFaultInjection_Delay, path string) *model.Delay {
	if in.GetFixedDelay() == nil {
		r.missing(path, "a delay needs a fixedDelay")
		return nil
	}
	out := &model.Delay{Fixed: r.duration(in.GetFixedDelay(), path+".fixedDelay", false)}
	switch old := in.Percent; { //nolint:staticcheck // still in use
	case in.Percentage != nil:
		out.Percent = r.percent(in.Percentage.Value, path+".percentage")
	case old != 0:
		out.Percent = r.percent(float64(old), path+".percent")
		r.warnf("DEPRECATED-FIELD", path+".percent", "percent is deprecated")
		r.hint("write percentage: {value: %d}", old)
	default:
		r.noPercentage("delay", path)
	}
	return out
}

func (r reporter) abort(in *networking.HTTPFaultInjection_Abort, path string) *model.Abort {
	out := &model.Abort{}
	switch e := in.ErrorType.(type) {
	case *networking.HTTPFaultInjection_Abort_HttpStatus:
		if e.HttpStatus < 200 || e.HttpStatus > 599 {
			r.errorf("BAD-STATUS", path+".httpStatus", "a status lies between 200 and 599, not at %d", e.HttpStatus)
			return nil
		}
		out.HTTPStatus = uint32(e.HttpStatus)
	case *networking.HTTPFaultInjection_Abort_GrpcStatus:
		code, ok := grpcStatus(e.GrpcStatus)
		if !ok {
			r.errorf("BAD-STATUS", path+".grpcStatus", "gRPC has no status %q", shorten(e.GrpcStatus))
			if near := nearest(e.GrpcStatus, grpcStatuses); near != "" {
				r.hint("did you mean %s?", near)
			} else {
				r.hint("a name such as UNAVAILABLE, or a number from 0 to 16")
			}
			return nil
		}
		out.GRPCStatus = &code
	default:
		r.missing(path, "an abort needs httpStatus or grpcStatus")
		return nil
	}
	if in.Percentage == nil {
		r.noPercentage("abort", path)
		return out
	}
	out.Percent = r.percent(in.Percentage.Value, path+".percentage")
	return out
}

// noPercentage warns of a fault that hits nothing, as Istio rules it.
func (r reporter) noPercentage(what, path string) {
	if r.doc.damaged(path) {
		return
	}
	r.warnf("FAULT-NO-PERCENT", path, "the %s has no percentage and hits no request", what)
	r.hint("write percentage: {value: 100}")
}

func grpcStatus(s string) (uint32, bool) {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return uint32(n), n < uint64(len(grpcStatuses))
	}
	for i, name := range grpcStatuses {
		if strings.EqualFold(name, s) {
			return uint32(i), true
		}
	}
	return 0, false
}
