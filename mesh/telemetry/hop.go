package telemetry

import (
	"slices"
	"strings"
	"time"
)

// Direction tells on which side of a proxy a request came in.
type Direction string

// The directions.
const (
	// Outbound: a sidecar took it from its own workload.
	Outbound Direction = "outbound"
	// Inbound: a sidecar took it for its own workload.
	Inbound Direction = "inbound"
	// Gateway: a gateway took it from outside.
	Gateway Direction = "gateway"
)

// Hop is what one proxy logged about one request, or about one TCP connection.
type Hop struct {
	// Time is when the first byte of the request, or the connection, arrived.
	Time time.Time `json:"time"`
	// Duration until the last byte was sent on to the caller.
	Duration time.Duration `json:"duration"`
	// Proxy is the id of the proxy's node.
	Proxy string `json:"proxy"`
	// Workload and Namespace of the proxy: reviews-v1, default. The Deployment's name if the node tells it, else the pod's.
	Workload  string `json:"workload,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	// Direction of the request as the proxy sees it.
	Direction Direction `json:"direction"`
	// Protocol is HTTP/1.0, HTTP/1.1, HTTP/2, HTTP/3 or TCP.
	Protocol string `json:"protocol,omitempty"`
	// TCP tells that this is a connection and not a request: all about requests is empty.
	TCP bool `json:"tcp,omitempty"`
	// GRPC tells that the request's content type is gRPC's.
	GRPC bool `json:"grpc,omitempty"`

	// RequestID, TraceID (32 or 16 hex digits) and SpanID as they came with the request; for a TCP connection RequestID is
	// the proxy's own id of it.
	RequestID string `json:"requestId,omitempty"`
	TraceID   string `json:"traceId,omitempty"`
	SpanID    string `json:"spanId,omitempty"`

	Method    string `json:"method,omitempty"`
	Scheme    string `json:"scheme,omitempty"`
	Authority string `json:"authority,omitempty"`
	// Path with its query, as it was sent on; OriginalPath is what it was before the proxy rewrote it, or empty.
	Path         string `json:"path,omitempty"`
	OriginalPath string `json:"originalPath,omitempty"`
	// EndUser is the header of that name, by which Bookinfo tells who is logged in.
	EndUser string `json:"endUser,omitempty"`
	// UserAgent of the caller.
	UserAgent string `json:"userAgent,omitempty"`

	// Status that the caller got; 0 if none.
	Status int `json:"status,omitempty"`
	// GRPCStatus is the number in grpc-status, or empty.
	GRPCStatus string `json:"grpcStatus,omitempty"`
	// Flags are Envoy's response flags in its short letters; empty if all was well. URX comes first, as in Envoy's own logs:
	// it says that retries were spent, the others then are those of the last attempt.
	Flags []string `json:"flags,omitempty"`
	// Details is Envoy's response_code_details, or for a connection how it ended.
	Details string `json:"details,omitempty"`

	// Route is the name of the route that matched, Cluster where it led.
	Route   string `json:"route,omitempty"`
	Cluster string `json:"cluster,omitempty"`
	// UpstreamAddress is the endpoint of the last attempt, host:port; empty if there was none.
	UpstreamAddress string `json:"upstreamAddress,omitempty"`
	// UpstreamLocal is this proxy's own end of that connection.
	UpstreamLocal string `json:"upstreamLocal,omitempty"`
	// UpstreamFailure says why the connection to it failed (TLS), or is empty.
	UpstreamFailure string `json:"upstreamFailure,omitempty"`
	// UpstreamTime is from the request's arrival to the first byte of the upstream's answer; 0 if there was none.
	UpstreamTime time.Duration `json:"upstreamTime,omitempty"`
	// Attempts that were made upstream; 0 if none.
	Attempts int `json:"attempts,omitempty"`
	// Attempt says which of the caller's attempts this is, from 1; 0 if the caller does not tell.
	Attempt int `json:"attempt,omitempty"`

	// DownstreamRemote is the caller's address, host:port; DownstreamLocal the one it called.
	DownstreamRemote string `json:"downstreamRemote,omitempty"`
	DownstreamLocal  string `json:"downstreamLocal,omitempty"`
	// DownstreamFailure says why the caller's connection failed (TLS), or is empty.
	DownstreamFailure string `json:"downstreamFailure,omitempty"`
	// Principal is the identity in the caller's certificate (spiffe://...), LocalPrincipal the proxy's own; empty without mTLS.
	Principal      string `json:"principal,omitempty"`
	LocalPrincipal string `json:"localPrincipal,omitempty"`
	// UpstreamPrincipal is the identity in the certificate of the endpoint that was called, UpstreamLocalPrincipal what the proxy showed
	// it; empty without mTLS.
	UpstreamPrincipal      string `json:"upstreamPrincipal,omitempty"`
	UpstreamLocalPrincipal string `json:"upstreamLocalPrincipal,omitempty"`

	// BytesReceived and BytesSent are those of bodies, or of the connection.
	BytesReceived uint64 `json:"bytesReceived,omitempty"`
	BytesSent     uint64 `json:"bytesSent,omitempty"`
	// HeaderBytesReceived and HeaderBytesSent are those of a request's and an answer's headers.
	HeaderBytesReceived uint64 `json:"headerBytesReceived,omitempty"`
	HeaderBytesSent     uint64 `json:"headerBytesSent,omitempty"`

	// Counting is what rules say of the metrics in which the hop counts; nil if nothing. Records of runs do not keep it.
	Counting Counting `json:"counting,omitempty"`
}

// End is when the hop was over.
func (h *Hop) End() time.Time { return h.Time.Add(h.Duration) }

// HasFlag tells whether a response flag is set.
func (h *Hop) HasFlag(flag string) bool { return slices.Contains(h.Flags, flag) }

// FlagString joins the flags as Envoy prints them: "URX,UF", or "-" without any.
func (h *Hop) FlagString() string {
	if len(h.Flags) == 0 {
		return "-"
	}
	return strings.Join(h.Flags, ",")
}

// RequestKey makes request ids comparable along a request's way: the 13th hex digit of Envoy's ids tells how the request is
// traced, and a proxy may change it. Other ids are returned as they are.
func RequestKey(id string) string {
	const traced = 14 // the index of the digit in a UUID
	if len(id) != 36 || id[8] != '-' || id[13] != '-' {
		return id
	}
	return id[:traced] + "*" + id[traced+1:]
}

// To reports whether the request was meant for a service, by its short or full name: by the cluster, or, where a fault
// answered before one was chosen, by the authority that the caller asked for.
func (h *Hop) To(service string) bool {
	host := h.Cluster
	if i := strings.LastIndexByte(host, '|'); i >= 0 {
		host = host[i+1:]
	}
	if host == "" {
		host, _, _ = strings.Cut(h.Authority, ":")
	}
	return host != "" && (host == service || strings.HasPrefix(host, service+".") || strings.HasPrefix(service, host+"."))
}
