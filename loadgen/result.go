package loadgen

import (
	"slices"
	"strings"
	"time"
)

// Result is what came of one request.
type Result struct {
	// Load is the name of its load.
	Load string `json:"load"`
	// Seq is its number, from 0.
	Seq uint64 `json:"seq"`
	// Scheduled is when it was due: the start plus Pacer.Due(Seq).
	Scheduled time.Time `json:"scheduled"`
	// Sent is when it was handed to the transport, before a connection was made or found.
	Sent time.Time `json:"sent"`
	// End is when the last byte was read, or when it failed.
	End time.Time `json:"end"`
	// Status of the answer; 0 if there was none.
	Status int `json:"status,omitempty"`
	// Err is empty if the whole answer came, whatever its status, unless gRPC's own is not 0. Else it is one of the Err constants, or
	// another error's text.
	Err string `json:"err,omitempty"`
	// Bytes of the body that were read.
	Bytes int64 `json:"bytes"`
	// Value is what the load's Extract found.
	Value string `json:"value,omitempty"`
	// TraceID and RequestID are what was sent; see IDs.
	TraceID   string `json:"traceId,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	// Header holds what the load's Headers named, as far as the answer had it; the first value of each. nil if none.
	Header map[string]string `json:"header,omitempty"`
}

// What Result.Err says of common failures.
const (
	// ErrTimeout: the load's Timeout passed.
	ErrTimeout = "timeout"
	// ErrRefused: the connection was refused.
	ErrRefused = "refused"
	// ErrReset: the connection was reset or closed before the answer was complete. Requests are never sent a second time.
	ErrReset = "reset"
	// ErrCanceled: the run was stopped.
	ErrCanceled = "canceled"
	// ErrTLS begins what TLS came to: one side refused the other, or the server has nothing for the name.
	ErrTLS = "tls"
	// ErrExhausted: this machine had no file descriptor or port left for another connection. It makes a load Behind.
	ErrExhausted = "exhausted"
)

// Latency is from when the request was due: what a user would have seen who came at that time.
func (r *Result) Latency() time.Duration { return r.End.Sub(r.Scheduled) }

// ServiceTime is from when it was sent.
func (r *Result) ServiceTime() time.Duration { return r.End.Sub(r.Sent) }

// Succeeded tells whether it got a whole answer below 500.
func (r *Result) Succeeded() bool { return r.Err == "" && r.Status < 500 }

// Answered tells whether the whole answer came, whatever it said.
func (r *Result) Answered() bool { return r.Err == "" || strings.HasPrefix(r.Err, ErrGRPC) }

// Lag is how late it was sent; not below 0.
func (r *Result) Lag() time.Duration { return max(0, r.Sent.Sub(r.Scheduled)) }

// Quantile is the exact order statistic: the smallest value such that at least q of all values are at most as large, which
// is number ⌈q·n⌉ of n. The values are sorted ascending. q <= 0 is the smallest, q >= 1 the largest; 0 without values.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	// 0.07·100 is 7.000000000000001 in floating point, and yet the 7th is meant.
	rank := int(q * float64(n) * (1 - 1e-12))
	if float64(rank) < q*float64(n)*(1-1e-12) {
		rank++
	}
	return sorted[min(max(rank, 1), n)-1]
}

// Sorted sorts a copy.
func Sorted(values []time.Duration) []time.Duration {
	return slices.Sorted(slices.Values(values))
}
