package sim

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/model"
)

// condition is what is tried again.
type condition uint16

const (
	on5xx condition = 1 << iota
	onGatewayError
	onReset
	onResetBeforeRequest
	onConnectFailure
	onRetriable4xx
	onStatusCodes
	onCancelled
	onDeadlineExceeded
	onInternal
	onResourceExhausted
	onUnavailable
	onNothingHere // a condition of HTTP/2 that no upstream of the model fulfils
)

// conditions by Envoy's names.
var conditions = map[string]condition{
	"5xx": on5xx, "gateway-error": onGatewayError, "reset": onReset, "reset-before-request": onResetBeforeRequest,
	"connect-failure": onConnectFailure, "retriable-4xx": onRetriable4xx, "retriable-status-codes": onStatusCodes,
	"refused-stream": onNothingHere, "cancelled": onCancelled, "deadline-exceeded": onDeadlineExceeded, "internal": onInternal,
	"resource-exhausted": onResourceExhausted, "unavailable": onUnavailable,
}

// retryPolicy says which failed attempts are made again.
type retryPolicy struct {
	on     condition
	codes  []int
	number uint32
	perTry time.Duration
	base   time.Duration
	// avoid hosts that were tried.
	avoid bool
}

const (
	istioRetryOn  = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
	istioAttempts = 2
	defaultPause  = 25 * time.Millisecond
	// repicks is how often another host is drawn when one was tried before.
	repicks = 5
)

// newRetryPolicy reads a rule; nil takes Istio's default. With consistent hashing no host is avoided.
func newRetryPolicy(rule *model.RetryPolicy, hashed bool) *retryPolicy {
	switch {
	case rule == nil && hashed:
		return byDefaultHashed
	case rule == nil:
		return byDefault
	}
	if rule.Attempts == 0 {
		return nil
	}
	out := &retryPolicy{number: rule.Attempts, perTry: rule.PerTryTimeout, base: rule.Backoff, avoid: !hashed && !rule.AllowPreviousHosts}
	if out.base == 0 {
		out.base = defaultPause
	}
	if rule.RetryOn == "" {
		out.read(istioRetryOn)
	} else {
		out.read(rule.RetryOn)
	}
	return out
}

// The policies that most routes share, one for all: resetBeforeRequest is what sidecars do for their own apps, the others what Istio does
// where a rule says nothing, without and with consistent hashing. Nobody changes them.
var (
	resetBeforeRequest = &retryPolicy{on: onResetBeforeRequest, number: 2, base: defaultPause}
	byDefault          = istioDefault(true)
	byDefaultHashed    = istioDefault(false)
)

func istioDefault(avoid bool) *retryPolicy {
	out := &retryPolicy{number: istioAttempts, base: defaultPause, avoid: avoid}
	out.read(istioRetryOn)
	return out
}

func (r *retryPolicy) read(words string) {
	for word := range strings.SplitSeq(words, ",") {
		word = strings.TrimSpace(word)
		if code, err := strconv.Atoi(word); err == nil {
			r.codes = append(r.codes, code)
			r.on |= onStatusCodes
			continue
		}
		r.on |= conditions[word] // Refused has found the unknown ones
	}
}

// unknownConditions lists the words of retryOn that mean nothing here.
func unknownConditions(words string) (out []string) {
	for word := range strings.SplitSeq(words, ",") {
		word = strings.TrimSpace(word)
		if _, err := strconv.Atoi(word); word != "" && err != nil && conditions[word] == 0 {
			out = append(out, word)
		}
	}
	return out
}

// byStatus tells whether an answer is tried again.
func (r *retryPolicy) byStatus(a *Answer) bool {
	if r == nil || a.limited {
		return false
	}
	s := a.Status
	if a.grpc != 0 && r.on&a.grpc != 0 {
		return true
	}
	return r.on&on5xx != 0 && s >= 500 || r.on&onGatewayError != 0 && s >= 502 && s <= 504 ||
		r.on&onRetriable4xx != 0 && s == 409 || r.on&onStatusCodes != 0 && slices.Contains(r.codes, s)
}

// ofGRPC are the conditions that gRPC statuses fulfil.
var ofGRPC = map[int]condition{1: onCancelled, 4: onDeadlineExceeded, 8: onResourceExhausted, 13: onInternal, 14: onUnavailable}

// byReset tells whether an attempt that ended without an answer is made again.
func (r *retryPolicy) byReset(why failure) bool {
	if r == nil {
		return false
	}
	if r.on&(on5xx|onGatewayError|onReset) != 0 {
		return true
	}
	return why == connectFailure && r.on&(onConnectFailure|onResetBeforeRequest) != 0
}

// verdict is what becomes of an attempt.
type verdict uint8

const (
	pass     verdict = iota // to the caller
	again                   // another attempt follows
	spent                   // there would be one, had not so many been made
	overflew                // there would be one, had not the cluster too many
)

// decide counts as Envoy's RetryStateImpl::shouldRetry does.
func (s *stream) decide(would bool) verdict {
	c := s.cluster
	if s.retrying {
		if !would {
			c.stats.inc(rqRetrySuccess)
		}
		c.retries--
		s.retrying = false
	}
	switch {
	case !would:
		return pass
	case s.retriesLeft == 0:
		c.stats.inc(rqRetryLimitExceeded)
		s.flags |= flagURX
		return spent
	}
	s.retriesLeft--
	if !c.mayRetry() {
		c.stats.inc(rqRetryOverflow)
		s.flags |= flagUO
		return overflew
	}
	c.retries++
	s.retrying = true
	c.stats.inc(rqRetry)
	return again
}

// backOff waits before the next attempt: uniform in whole milliseconds below a bound that doubles, up to ten times the base.
// Source: Envoy's JitteredExponentialBackOffStrategy.
func (s *stream) backOff() {
	m := s.proxy.mesh
	base := s.resolved.retry.base
	if s.pause == 0 {
		s.pause = base
	}
	bound := s.pause
	s.pause = min(2*s.pause, 10*base)
	wait := time.Duration(0)
	if n := bound.Milliseconds(); n > 1 {
		wait = time.Duration(s.proxy.draws.backoff().Int64N(n)) * time.Millisecond
	}
	s.cluster.stats.inc(rqRetryBackoff)
	s.refs++
	s.waiting = true
	m.kernel.After(wait+m.times.Timer, evRetry, s.id)
}

// retryNow makes the next attempt.
func (m *Mesh) retryNow(s *stream) {
	s.refs--
	if s.over {
		let(&m.streams, s)
		return
	}
	s.waiting = false
	m.attempt(s)
}
