package pace

import (
	"math"
	"time"
)

var _ Pacer = constant{}

type constant struct{ rate Rate }

// NewConstant is a schedule of evenly spaced requests, the first at 0: request n is due at n·Per/Count, rounded down to a
// nanosecond. A zero rate has no request.
func NewConstant(rate Rate) Pacer { return constant{rate} }

func (c constant) Rate(t time.Duration) float64 {
	if t < 0 {
		return 0
	}
	return c.rate.PerSecond()
}

func (c constant) Hits(until time.Duration) uint64 {
	if until <= 0 || c.rate.IsZero() {
		return 0
	}
	q, rest := mulDiv(uint64(until), c.rate.Count, uint64(c.rate.per()))
	if rest {
		q++
	}
	return q
}

func (c constant) Due(n uint64) time.Duration {
	if c.rate.IsZero() {
		return Never
	}
	q, _ := mulDiv(n, uint64(c.rate.per()), c.rate.Count)
	if q > math.MaxInt64 {
		return Never
	}
	return time.Duration(q)
}

func (c constant) String() string { return c.rate.String() }
