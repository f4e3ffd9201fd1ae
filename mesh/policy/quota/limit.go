package quota

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

// Interval is the time between two requests, rounded up, so that never more than Requests pass in a Unit.
func (l Limit) Interval() time.Duration {
	n := time.Duration(max(l.Requests, 1))
	return (l.Unit + n - 1) / n
}

// Capacity is how many requests pass at once after a pause.
func (l Limit) Capacity() uint32 {
	if l.Burst == 0 {
		return l.Requests
	}
	return l.Burst
}

// State is what a limit remembers of one key. Its zero value is that of a key that was never seen.
type State struct {
	// Until is the end of the window (FixedWindow), or the theoretical arrival time of the next request (GCRA).
	Until time.Time
	// Used is the number of requests in the window.
	Used uint32
}

// Decision is what a limit says to a request.
type Decision struct {
	Allowed bool
	// Remaining is how many requests would pass at once after this one.
	Remaining uint32
	// Reset is when the limit is as if it had never been used; with GCRA, for a request that is refused, when it would pass.
	Reset time.Duration
}

// Take decides on n requests at a time, and gives the state after them. A refused request uses nothing.
func (l Limit) Take(s State, now time.Time, n uint32) (State, Decision) {
	if l.Algorithm == GCRA {
		return l.takeCell(s, now, n)
	}
	if !now.Before(s.Until) {
		s = State{Until: now.Add(l.Unit)}
	}
	if uint64(s.Used)+uint64(n) > uint64(l.Requests) {
		return s, Decision{Remaining: l.Requests - min(s.Used, l.Requests), Reset: s.Until.Sub(now)}
	}
	s.Used += n
	return s, Decision{Allowed: true, Remaining: l.Requests - s.Used, Reset: s.Until.Sub(now)}
}

// takeCell is GCRA in its form with a virtual schedule: a request may come up to Burst-1 intervals before its theoretical arrival time.
func (l Limit) takeCell(s State, now time.Time, n uint32) (State, Decision) {
	interval := l.Interval()
	room := interval * time.Duration(l.Capacity())
	arrival := s.Until
	if arrival.Before(now) {
		arrival = now
	}
	left := func(arrival time.Time) uint32 { return uint32(max(0, (room-arrival.Sub(now))/interval)) }
	if n > l.Capacity() { // never, however long it waits
		return s, Decision{Remaining: left(arrival), Reset: l.Unit}
	}
	next := arrival.Add(interval * time.Duration(n))
	if early := next.Sub(now) - room; early > 0 {
		return s, Decision{Remaining: left(arrival), Reset: early}
	}
	return State{Until: next}, Decision{Allowed: true, Remaining: left(next), Reset: next.Sub(now)}
}
