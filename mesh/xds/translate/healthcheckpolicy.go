package translate

import (
	"encoding/hex"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// healthCheckPolicy is the one by which the scope's callers check a host.
func (r *reader) healthCheckPolicy(host string) *model.HealthCheckPolicy {
	r.note(partService, host)
	for _, h := range model.HostPatterns(host) {
		r.note(partHealthChecks, h)
	}
	return r.t.snap.HealthCheckPolicy(host, r.scope.namespace)
}

// applyHealthCheck makes a cluster check its endpoints. Times are as they are written, without jitter and without Envoy's minute of patience for
// clusters that nobody has called; every status that is not expected counts towards the threshold, where Envoy by itself would not wait for it.
func (r *reader) applyHealthCheck(c *clusterv3.Cluster, svc *model.Service, p model.Port, subset string) {
	policy := r.healthCheckPolicy(svc.Host)
	check := policy.For(subset, p.Number)
	if check == nil || svc.Resolution == model.None {
		return
	}
	r.from(policy.Pos)
	out := &corev3.HealthCheck{
		Interval: duration(check.Interval), Timeout: duration(check.Timeout),
		NoTrafficInterval: duration(check.Interval), NoTrafficHealthyInterval: duration(check.Interval),
		UnhealthyThreshold: wrapperspb.UInt32(check.Unhealthy), HealthyThreshold: wrapperspb.UInt32(check.Healthy),
	}
	switch {
	case check.HTTP != nil:
		out.HealthChecker = httpHealthCheck(check.HTTP, svc.Host, p.Protocol)
	case check.GRPC != nil:
		authority := check.GRPC.Authority
		if authority == "" {
			authority = svc.Host
		}
		out.HealthChecker = &corev3.HealthCheck_GrpcHealthCheck_{GrpcHealthCheck: &corev3.HealthCheck_GrpcHealthCheck{
			ServiceName: check.GRPC.Service, Authority: authority,
		}}
	case check.TCP != nil:
		out.HealthChecker = &corev3.HealthCheck_TcpHealthCheck_{TcpHealthCheck: &corev3.HealthCheck_TcpHealthCheck{
			Send: payload(check.TCP.Send), Receive: payloads(check.TCP.Receive),
		}}
		// Else Envoy keeps the connection, which says nothing of who would be let in anew, and whoever closes it fails the next check.
		out.ReuseConnection = wrapperspb.Bool(false)
	}
	c.HealthChecks = []*corev3.HealthCheck{out}
	if c.GetOutlierDetection() == nil { // which says itself when all endpoints are asked, well or not
		commonLB(c).HealthyPanicThreshold = &typev3.Percent{}
	}
}

func httpHealthCheck(h *model.HTTPHealthCheck, host string, protocol model.Protocol) *corev3.HealthCheck_HttpHealthCheck_ {
	out := &corev3.HealthCheck_HttpHealthCheck{
		Host: host, Path: h.Path, Method: corev3.RequestMethod(corev3.RequestMethod_value[h.Method]),
		RetriableStatuses: []*typev3.Int64Range{{Start: 100, End: 600}},
	}
	if h.Host != "" {
		out.Host = h.Host
	}
	if protocol.IsHTTP2() {
		out.CodecClientType = typev3.CodecClientType_HTTP2
	}
	for _, s := range h.Expected {
		out.ExpectedStatuses = append(out.ExpectedStatuses, &typev3.Int64Range{Start: int64(s.From), End: int64(s.To) + 1})
	}
	return &corev3.HealthCheck_HttpHealthCheck_{HttpHealthCheck: out}
}

func payload(text string) *corev3.HealthCheck_Payload {
	if text == "" {
		return nil
	}
	return &corev3.HealthCheck_Payload{Payload: &corev3.HealthCheck_Payload_Text{Text: hex.EncodeToString([]byte(text))}}
}

func payloads(text string) []*corev3.HealthCheck_Payload {
	if text == "" {
		return nil
	}
	return []*corev3.HealthCheck_Payload{payload(text)}
}
