package stat

import "math"

// Decision is what a test came to.
type Decision int

// The decisions. The zero Decision is Open: nothing is shown either way.
const (
	Open Decision = iota
	Pass
	Fail
)

func (d Decision) String() string {
	switch d {
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	case Open:
	}
	return "open"
}

// The error rates of a check that declares none.
const (
	DefaultFalsePass         = 0.01
	DefaultFalseFail         = 0.001
	DefaultFalseInconclusive = 0.05
)

// Errors are the declared error rates of a test: chances, each above 0 and below 1/2.
type Errors struct {
	// FalsePass bounds the chance to pass although the truth is off by the tolerance or more.
	FalsePass float64 `json:"falsePass"`
	// FalseFail bounds the chance to fail although the truth is within the tolerance.
	FalseFail float64 `json:"falseFail"`
	// FalseInconclusive bounds the chance not to pass although the truth is the target, given the sample that Needed plans.
	FalseInconclusive float64 `json:"falseInconclusive"`
}

// Interval holds a number with a stated confidence. A side without a bound is infinite.
type Interval struct{ Low, High float64 }

// MaxSample is the largest sample that is planned. More than that is no plan.
const MaxSample = 10_000_000

// smallest finds the sample size from which on ok holds: it holds there and for the span sizes above it. Tests of whole counts
// get a little worse with some single samples, whenever a critical count moves; span covers that. It is larger than it must be by at
// most one in grain; 0 is by nothing. 0 if there is none up to MaxSample.
func smallest(span, grain int, ok func(n int) bool) int {
	high := 1
	for !ok(high) {
		if high >= MaxSample {
			return 0
		}
		high = min(2*high, MaxSample)
	}
	low := high / 2 // ok is false there, or it is 0
	for high-low > 1 && (grain == 0 || high-low > high/grain) {
		if middle := low + (high-low)/2; ok(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	for n := high + 1; n <= high+span; n++ {
		if !ok(n) {
			high = n + 1
		}
	}
	return high
}

// spanOf is how many sizes a critical count takes to move twice, where the hypotheses are a distance apart (as shares).
func spanOf(distance float64) int { return int(math.Ceil(min(2/distance, 5000))) + 10 }
