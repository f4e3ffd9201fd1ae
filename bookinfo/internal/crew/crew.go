// Package crew has workers before whom requests stand in line.
package crew

import (
	"slices"
	"time"
)

// Crew is when each worker of a first-come-first-served queue is free again: the recursion of Kiefer and Wolfowitz (1955). What was taken
// is worked on to its end, even if its caller has left by then: that is what makes an overload outlast its cause.
type Crew []time.Time

// Take has a request worked on by the first of n workers that is free, for as long as the service takes, and returns the time until it is
// done, waiting included. A crew that shrinks loses those that are free first.
func (c *Crew) Take(now time.Time, n int, service time.Duration) time.Duration {
	slices.SortFunc(*c, time.Time.Compare)
	if len(*c) > n {
		*c = (*c)[len(*c)-n:]
	}
	for len(*c) < n {
		*c = slices.Insert(*c, 0, time.Time{})
	}
	first := &(*c)[0]
	if first.Before(now) {
		*first = now
	}
	*first = first.Add(service)
	return first.Sub(now)
}
