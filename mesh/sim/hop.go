package sim

import (
	"fmt"
	"strconv"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/telemetry"
)

// flagLetters are Envoy's, in its order.
var flagLetters = []string{"URX", "UH", "UT", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "RLSE", "DC", "NC"}

func (m *Mesh) flags(f responseFlags) []string {
	if f == 0 {
		return nil
	}
	var out []string
	for i, l := range flagLetters {
		if f&(1<<i) != 0 {
			out = append(out, l)
		}
	}
	return out
}

// outside is the address that a gateway gives callers from outside in x-forwarded-for (RFC 5737).
const outside = "192.0.2.1"

// remote is the caller's address as Envoy takes it: of what came through a gateway the one outside.
func (s *stream) remote() string {
	if s.parent != nil && s.parent.proxy.kind == model.Router && !s.tcp {
		return outside + ":0"
	}
	return s.peer()
}

// peer is the other end of the caller's connection.
func (s *stream) peer() string {
	if s.parent != nil {
		return s.parent.proxy.workload.Address + ":" + number(s.remotePort)
	}
	return "127.0.0.1:" + number(s.remotePort)
}

// local is where the caller connected.
func (s *stream) local() string {
	w := s.proxy.workload
	switch {
	case s.inbound:
		return w.Address + ":" + number(s.port)
	case s.tcp:
		return w.Address + ":" + number(s.port)
	case s.proxy.kind == model.Router:
		return w.Address + ":" + strconv.Itoa(GatewayPort)
	}
	return w.Address + ":" + number(w.ProxyPort)
}

// log tells what a proxy logs and traces of a stream that ends at a time.
func (m *Mesh) log(s *stream, end time.Duration) {
	if m.opts.Hop == nil || s.mirror {
		return
	}
	s.root.ids()
	w := s.proxy.workload
	x, a := m.message(s.message), m.Answer(s.answer)
	if s.attempts > 0 {
		x = m.message(s.sent)
	}
	h := telemetry.Hop{
		Time: m.opts.Epoch.Add(s.begin), Duration: end - s.begin, Proxy: s.proxy.id, Workload: w.Name, Namespace: w.Namespace,
		Direction: telemetry.Outbound, Flags: m.flags(s.flags), Details: s.details, Attempts: int(s.attempts),
		DownstreamRemote: s.remote(), DownstreamLocal: s.local(),
	}
	switch {
	case s.inbound:
		h.Direction = telemetry.Inbound
	case s.proxy.kind == model.Router:
		h.Direction = telemetry.Gateway
	}
	if s.host != nil {
		h.UpstreamAddress, h.UpstreamLocal = s.host.address, w.Address+":0"
	}
	if s.mutual {
		h.Principal, h.LocalPrincipal = s.caller(), s.proxy.identity
	}
	if s.secured && s.host != nil && s.host.target != nil {
		h.UpstreamPrincipal, h.UpstreamLocalPrincipal = s.host.target.identity, s.proxy.identity
	}
	if s.resolved != nil {
		h.Route = s.resolved.name
	}
	if s.choice != nil {
		h.Cluster = s.choice.name
	}
	if s.tcp {
		h.TCP, h.Protocol, h.RequestID = true, "TCP", fmt.Sprintf("%s-%d", s.proxy.id, s.span)
		h.Route, h.Details = "", ""
		h.BytesReceived, h.BytesSent = uint64(len(x.Body)), uint64(a.size())
		m.opts.Hop(&h)
		return
	}
	h.Protocol, h.RequestID, h.TraceID, h.SpanID = s.protocol(), s.root.request, s.root.trace, m.spanID(s, s.span)
	h.Method, h.Scheme, h.Authority, h.Path, h.OriginalPath = x.Method, x.Scheme, x.Authority, x.Path, s.original
	h.EndUser, _ = x.Header("end-user")
	if h.UserAgent, _ = x.Header("user-agent"); h.UserAgent == "" {
		h.UserAgent = userAgent
	}
	h.Status = a.Status
	if h.GRPC = m.message(s.message).isGRPC(); h.GRPC {
		h.GRPCStatus = a.Header(grpcStatus)
	}
	h.Attempt = int(s.attempt)
	if !s.inbound && s.attempts > 0 {
		h.Attempt = int(s.attempts)
	}
	if s.first > 0 {
		h.UpstreamTime = s.first - s.begin
	}
	h.BytesReceived, h.BytesSent = uint64(len(x.Body)), uint64(a.size())
	m.opts.Hop(&h)
	if m.opts.Span != nil && !s.copied() {
		m.trace(s, &h)
	}
}

// protocol is what the caller's connection speaks.
func (s *stream) protocol() string {
	if s.http2 {
		return "HTTP/2"
	}
	return "HTTP/1.1"
}

// copied tells whether a stream belongs to a mirror, which is not traced.
func (s *stream) copied() bool {
	for p := s.parent; p != nil; p = p.parent {
		if p.mirror {
			return true
		}
	}
	return false
}

// userAgent is that of a load, and of apps, that say nothing else.
const userAgent = "Go-http-client/1.1"
