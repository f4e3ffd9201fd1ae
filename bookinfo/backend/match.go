package backend

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Match chooses requests. Its zero value matches all; fields that are set must all agree.
type Match struct {
	// Port is the name of a port.
	Port string `json:"port,omitempty"`
	// PathPrefix is what the path begins with: of a gRPC call /package.Service/Method, on the TCP port the line itself.
	PathPrefix string `json:"pathPrefix,omitempty"`
	// Header are headers (gRPC: metadata) and the value each must have, one of them if it occurs several times. "host"
	// is the authority. Lines on the TCP port have none, and so match only without.
	Header map[string]string `json:"header,omitempty"`
	// RequestID is the value of x-request-id.
	RequestID string `json:"requestID,omitempty"`
}

// request is what is known of one when it arrives.
type request struct {
	port, path, host string
	header           http.Header
}

func (r request) id() string { return r.header.Get("X-Request-Id") }

func (m Match) matches(r request) bool {
	if m.Port != "" && m.Port != r.port || !strings.HasPrefix(r.path, m.PathPrefix) || m.RequestID != "" && m.RequestID != r.id() {
		return false
	}
	for name, want := range m.Header {
		if strings.EqualFold(name, "host") {
			if r.host != want {
				return false
			}
		} else if !slices.Contains(r.header.Values(name), want) {
			return false
		}
	}
	return true
}

func (m Match) check() error {
	if m.Port != "" && !slices.Contains(portNames(), m.Port) {
		return unknownPort(m.Port)
	}
	return nil
}

// HoldSpec chooses the requests to hold: those that match, from when it is set.
type HoldSpec = Match

// Rule gives the requests that match the outcomes to have. Of several rules the first that matches counts.
type Rule struct {
	Match
	// Outcomes are by attempt: the first for attempt 1, and so on; the last repeats. The attempt is x-envoy-attempt-count
	// if the request has it, else how many times its x-request-id has arrived, this one included. A request with neither
	// takes the next in sequence. Required.
	Outcomes []Outcome `json:"outcomes"`
	// Sequence makes every request take the next outcome, in the order in which they arrive (or leave the hold), whatever
	// its attempt.
	Sequence bool `json:"sequence,omitempty"`
	// Workers is how many of the requests that match are worked on at a time, each for its Delay; the others wait in line. The backend has
	// one line for all rules with workers, and what is in line is worked on even if its caller leaves. Zero: any number, no line.
	Workers int `json:"workers,omitempty"`
}

// End is how a request ends.
type End string

// The ways to end. Only Answer answers.
const (
	// Answer answers.
	Answer End = ""
	// Reset breaks the TCP connection with RST, and with it all else that is under way on it.
	Reset End = "reset"
	// Close ends without an answer: on http and tcp the connection is closed (FIN), on http2 and grpc the stream is reset
	// (RST_STREAM) and its connection stays.
	Close End = "close"
	// Hang never answers; it lasts until the caller leaves. If [Client.Reset] ends it first, it ends like Close.
	Hang End = "hang"
)

// Outcome is what becomes of one request. Its zero value is the plain answer.
type Outcome struct {
	// Delay is waited before anything else, in nanoseconds as JSON has it. Zero: none.
	Delay time.Duration `json:"delay,omitempty"`
	// End is how it ends. Zero: with an answer, which the rest describes.
	End End `json:"end,omitempty"`
	// Status is the HTTP status, 200 to 599. Zero: 200. On the grpc port any other is answered as plain HTTP, as a proxy
	// in trouble would. The TCP port has none.
	Status int `json:"status,omitempty"`
	// GRPCStatus is the status of a gRPC call, 0 to 16. Zero: OK. Other ports ignore it.
	GRPCStatus uint32 `json:"grpcStatus,omitempty"`
	// Header are added to the answer; gRPC: to its initial metadata. The TCP port has none.
	Header map[string]string `json:"header,omitempty"`
	// Body replaces the body; gRPC: the message, or with a GRPCStatus its text; TCP: the line.
	Body string `json:"body,omitempty"`
	// BodySize is the size of the body in bytes, at most 64 MiB: Body repeated to that length, or the letter x. Zero: as it
	// comes.
	BodySize int `json:"bodySize,omitempty"`
}

// maxBody bounds bodies both ways, in bytes.
const maxBody = 64 << 20

// body returns the body to send, or false for the usual one.
func (o Outcome) body() (string, bool) {
	if o.BodySize == 0 {
		return o.Body, o.Body != ""
	}
	unit := o.Body
	if unit == "" {
		unit = "x"
	}
	return strings.Repeat(unit, o.BodySize/len(unit)+1)[:o.BodySize], true
}

func (o Outcome) check() error {
	var errs []error
	if !slices.Contains([]End{Answer, Reset, Close, Hang}, o.End) {
		errs = append(errs, fmt.Errorf("end %q: want reset, close, hang or none", o.End))
	}
	if o.Status != 0 && (o.Status < 200 || o.Status > 599) {
		errs = append(errs, fmt.Errorf("status %d: want 200 to 599", o.Status))
	}
	if o.GRPCStatus > 16 {
		errs = append(errs, fmt.Errorf("gRPC status %d: want 0 to 16", o.GRPCStatus))
	}
	if o.Delay < 0 {
		errs = append(errs, fmt.Errorf("delay %v is negative", o.Delay))
	}
	if o.BodySize < 0 || o.BodySize > maxBody {
		errs = append(errs, fmt.Errorf("body size %d: want 0 to %d", o.BodySize, maxBody))
	}
	return errors.Join(errs...)
}

func checkRules(rules []Rule) error {
	var errs []error
	for i, r := range rules {
		if err := r.check(); err != nil {
			errs = append(errs, fmt.Errorf("rule %d: %w", i+1, err))
		}
		if len(r.Outcomes) == 0 {
			errs = append(errs, fmt.Errorf("rule %d: no outcomes", i+1))
		}
		if r.Workers < 0 {
			errs = append(errs, fmt.Errorf("rule %d: %d workers", i+1, r.Workers))
		}
		for j, o := range r.Outcomes {
			if err := o.check(); err != nil {
				errs = append(errs, fmt.Errorf("rule %d, outcome %d: %w", i+1, j+1, err))
			}
		}
	}
	return errors.Join(errs...)
}
