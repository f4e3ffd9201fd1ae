package pace

import (
	"math"
	"math/bits"
	"time"
)

// Never is the due time of a request that a schedule does not have.
const Never = time.Duration(math.MaxInt64)

// Pacer is a schedule of requests. Times count from the start of the load; requests count from 0.
//
// Due never decreases, and Hits agrees with it exactly: Hits(u) is the number of requests n with Due(n) < u. Methods may be
// called by several goroutines at once.
type Pacer interface {
	// Rate is the rate intended at t, in requests per second. For a random schedule it is the mean. 0 for t < 0.
	Rate(t time.Duration) float64
	// Hits is the number of requests due in [0, until). 0 for until <= 0.
	Hits(until time.Duration) uint64
	// Due is when request n is due, or Never.
	Due(n uint64) time.Duration
	// String describes the schedule in a few words.
	String() string
}

// mulDiv returns floor(a*b/c) and whether there is a remainder; the largest uint64 if the quotient does not fit. c > 0.
func mulDiv(a, b, c uint64) (q uint64, rest bool) {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return math.MaxUint64, false
	}
	q, r := bits.Div64(hi, lo, c)
	return q, r != 0
}

// fromSeconds rounds to the nearest nanosecond, and to Never what does not fit.
func fromSeconds(s float64) time.Duration {
	ns := math.Round(s * 1e9)
	if !(ns < math.MaxInt64) { // also NaN
		return Never
	}
	return time.Duration(ns)
}

// hitsNear makes an estimate of Hits(until) agree with Due.
func hitsNear(due func(uint64) time.Duration, estimate float64, until time.Duration) uint64 {
	if until <= 0 || math.IsNaN(estimate) {
		return 0
	}
	n := uint64(max(estimate, 0))
	for n > 0 && due(n-1) >= until {
		n--
	}
	for due(n) < until {
		n++
	}
	return n
}
