package telemetry

import (
	"time"
)

// Kind of a span.
type Kind string

// The kinds that Envoy reports. A span within a process has none.
const (
	Client   Kind = "CLIENT"
	Server   Kind = "SERVER"
	Producer Kind = "PRODUCER"
	Consumer Kind = "CONSUMER"
)

// Endpoint is one side of a call.
type Endpoint struct {
	ServiceName string `json:"serviceName,omitempty"`
	IPv4        string `json:"ipv4,omitempty"`
	IPv6        string `json:"ipv6,omitempty"`
	Port        int    `json:"port,omitempty"`
}

// Annotation is an event within a span.
type Annotation struct {
	// Timestamp in microseconds since 1970.
	Timestamp int64  `json:"timestamp"`
	Value     string `json:"value"`
}

// Span is one piece of work, in the shape of Zipkin's API, version 2.
type Span struct {
	// TraceID has 16 or 32 lower-case hex digits.
	TraceID string `json:"traceId"`
	// ID has 16. With Shared it is also the id of the caller's span.
	ID       string `json:"id"`
	ParentID string `json:"parentId,omitempty"`
	Kind     Kind   `json:"kind,omitempty"`
	Name     string `json:"name,omitempty"`
	// Timestamp is when it began, in microseconds since 1970; 0 if not known.
	Timestamp int64 `json:"timestamp,omitempty"`
	// Duration in microseconds; 0 if not known.
	Duration int64 `json:"duration,omitempty"`
	// LocalEndpoint is who recorded it, RemoteEndpoint the other side.
	LocalEndpoint  *Endpoint         `json:"localEndpoint,omitempty"`
	RemoteEndpoint *Endpoint         `json:"remoteEndpoint,omitempty"`
	Annotations    []Annotation      `json:"annotations,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	Debug          bool              `json:"debug,omitempty"`
	// Shared tells that a server recorded it under the id of its caller's span.
	Shared bool `json:"shared,omitempty"`
}

// Service that recorded the span, or empty.
func (s *Span) Service() string {
	if s.LocalEndpoint == nil {
		return ""
	}
	return s.LocalEndpoint.ServiceName
}

// Start is when the span began.
func (s *Span) Start() time.Time { return time.UnixMicro(s.Timestamp) }

// Took is the span's duration.
func (s *Span) Took() time.Duration { return time.Duration(s.Duration) * time.Microsecond }
