package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// spanID is a span's id in 16 hex digits: of its trace and its number, so that none is 0. Span 0 is the load itself, the low half of the
// trace's id.
func (m *Mesh) spanID(s *stream, n uint64) string {
	if n == 0 {
		if len(s.root.trace) == 32 {
			return s.root.trace[16:]
		}
		return ""
	}
	return fmt.Sprintf("%016x", n*0x9e3779b97f4a7c15|1)
}

// trace tells the span that a proxy reports: CLIENT where it took the request from its app or from outside, SERVER for its own app.
func (m *Mesh) trace(s *stream, h *telemetry.Hop) {
	end := h.Time.Add(h.Duration)
	w := s.proxy.workload
	service := w.Labels["app"]
	if service == "" {
		service = w.Owner
	}
	span := telemetry.Span{
		TraceID: s.root.trace, ID: m.spanID(s, s.span), ParentID: m.spanID(s, s.parentSpan), Kind: telemetry.Client,
		Timestamp: h.Time.UnixMicro(), Duration: int64(h.Duration / time.Microsecond),
		LocalEndpoint: &telemetry.Endpoint{ServiceName: service + "." + w.Namespace, IPv4: w.Address},
		Annotations:   []telemetry.Annotation{{Timestamp: end.UnixMicro(), Value: "cr"}},
	}
	if s.inbound {
		span.Kind, span.Annotations[0].Value = telemetry.Server, "ss"
	}
	span.Name = h.Authority
	if s.resolved != nil && s.resolved.operation != "" {
		span.Name = s.resolved.operation
	}
	peer, _, _ := strings.Cut(s.peer(), ":")
	span.Tags = map[string]string{
		"component": "proxy", "downstream_cluster": "-", "guid:x-request-id": h.RequestID, "http.method": h.Method, "http.protocol": h.Protocol,
		"http.status_code": strconv.Itoa(h.Status), "http.url": h.Scheme + "://" + h.Authority + h.Path, "node_id": h.Proxy,
		"peer.address": peer, "request_size": strconv.FormatUint(h.BytesReceived, 10), "response_size": strconv.FormatUint(h.BytesSent, 10),
		"response_flags": h.FlagString(), "user_agent": h.UserAgent,
	}
	if h.Cluster != "" {
		span.Tags["upstream_cluster"], span.Tags["upstream_cluster.name"] = h.Cluster, h.Cluster+";"
	}
	if h.Status == 0 || h.Status >= 500 {
		span.Tags["error"] = "true"
	}
	m.opts.Span(&span)
}
