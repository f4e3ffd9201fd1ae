package ratelimit

import "time"

// Algorithm is how a limit spreads its requests over time.
type Algorithm string

// The algorithms.
const (
	// FixedWindow lets Requests pass in each window of Unit, which begins with the first request that it counts.
	FixedWindow Algorithm = "FIXED_WINDOW"
	// GCRA (the generic cell rate algorithm of ATM's traffic management) lets one request pass every Unit/Requests, and Burst of them at once
	// after a pause.
	GCRA Algorithm = "GCRA"
)

// Limit is Requests per Unit.
type Limit struct {
	Requests uint32
	Unit     time.Duration
	// Burst is for GCRA; 0 means Requests.
	Burst     uint32
	Algorithm Algorithm
}

// interval is the time between two requests, rounded up, so that never more than Requests pass in a Unit.
func (l Limit) interval() time.Duration {
	n := time.Duration(max(l.Requests, 1))
	return (l.Unit + n - 1) / n
}

func (l Limit) burst() uint32 {
	if l.Burst == 0 {
		return l.Requests
	}
	return l.Burst
}

// state is what a limit remembers of one key. Its zero value is that of a key that was never seen.
type state struct {
	// until is the end of the window (FixedWindow), or the theoretical arrival time of the next request (GCRA).
	until time.Time
	// used is the number of requests in the window.
	used uint32
}

// Decision is what a limit says to a request.
type Decision struct {
	Allowed bool
	// Remaining is how many requests would pass at once after this one.
	Remaining uint32
	// Reset is when the limit is as if it had never been used; with GCRA, for a request that is refused, when it would pass.
	Reset time.Duration
}

// take decides on n requests at a time, and gives the state after them. A refused request uses nothing.
func (l Limit) take(s state, now time.Time, n uint32) (state, Decision) {
	if l.Algorithm == GCRA {
		return l.takeCell(s, now, n)
	}
	if !now.Before(s.until) {
		s = state{until: now.Add(l.Unit)}
	}
	if uint64(s.used)+uint64(n) > uint64(l.Requests) {
		return s, Decision{Remaining: l.Requests - min(s.used, l.Requests), Reset: s.until.Sub(now)}
	}
	s.used += n
	return s, Decision{Allowed: true, Remaining: l.Requests - s.used, Reset: s.until.Sub(now)}
}

// takeCell is GCRA in its form with a virtual schedule: a request may come up to Burst-1 intervals before its theoretical arrival time.
func (l Limit) takeCell(s state, now time.Time, n uint32) (state, Decision) {
	interval := l.interval()
	room := interval * time.Duration(l.burst())
	arrival := s.until
	if arrival.Before(now) {
		arrival = now
	}
	left := func(arrival time.Time) uint32 { return uint32(max(0, (room-arrival.Sub(now))/interval)) }
	if n > l.burst() { // never, however long it waits
		return s, Decision{Remaining: left(arrival), Reset: l.Unit}
	}
	next := arrival.Add(interval * time.Duration(n))
	if early := next.Sub(now) - room; early > 0 {
		return s, Decision{Remaining: left(arrival), Reset: early}
	}
	return state{until: next}, Decision{Allowed: true, Remaining: left(next), Reset: next.Sub(now)}
}
