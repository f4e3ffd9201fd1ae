package pace

import (
	"fmt"
	"math"
	"time"
)

type ramp struct {
	from, to float64 // requests per second
	over     float64 // seconds
	name     string
}

var _ Pacer = ramp{}

// NewRamp changes the rate evenly from one value to another within the given time, and then stays at the latter.
//
// With a = from, b = to (per second), D = over and k = (b-a)/D, the number of requests up to t <= D is Λ(t) = a·t + k·t²/2.
// Request n is due when Λ reaches n: t = 2n / (a + √(a² + 2kn)), rounded to a nanosecond. The first is due at 0.
func NewRamp(from, to Rate, over time.Duration) (Pacer, error) {
	if over <= 0 {
		return nil, fmt.Errorf("a ramp needs a duration greater than 0, not %s", over)
	}
	return ramp{from.PerSecond(), to.PerSecond(), over.Seconds(), fmt.Sprintf("%s to %s over %s", from, to, over)}, nil
}

func (r ramp) slope() float64 { return (r.to - r.from) / r.over }

// within is the number of requests during the ramp itself.
func (r ramp) within() float64 { return (r.from + r.to) / 2 * r.over }

func (r ramp) Rate(t time.Duration) float64 {
	switch s := t.Seconds(); {
	case t < 0:
		return 0
	case s >= r.over:
		return r.to
	default:
		return r.from + r.slope()*s
	}
}

func (r ramp) Hits(until time.Duration) uint64 {
	s := until.Seconds()
	n := r.from*s + r.slope()*s*s/2
	if s > r.over {
		n = r.within() + r.to*(s-r.over)
	}
	return hitsNear(r.Due, n, until)
}

func (r ramp) Due(n uint64) time.Duration {
	x := float64(n)
	switch {
	case r.from == 0 && r.to == 0:
		return Never
	case n == 0:
		return 0
	case x <= r.within():
		return fromSeconds(2 * x / (r.from + math.Sqrt(max(0, r.from*r.from+2*r.slope()*x))))
	case r.to == 0:
		return Never
	default:
		return fromSeconds(r.over + (x-r.within())/r.to)
	}
}

func (r ramp) String() string { return r.name }
