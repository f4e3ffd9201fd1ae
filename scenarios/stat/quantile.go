package stat

import (
	"math"
	"slices"
)

// Quantile tests where a quantile of a distribution lies, whatever the distribution is, by counting the observations on either side of
// a bound: binomial counts, so the tails are exact, ties included.
type Quantile struct {
	// Q is the quantile's level: 0.99 is p99. Between 0 and 1.
	Q float64
	// Low and High are off: the quantile must lie above Low and below High, in the unit of the observations. ±Inf tests no such side.
	Low, High float64
	// Spread says how clear it is when all is well, which is what Needed plans for: Q+Spread of the observations lie below High and only
	// Q-Spread at or below Low. It does not change what Judge decides. Between 0 and 1-Q.
	Spread float64
	Errors
}

// Judge decides on sorted observations. None is Open.
func (t Quantile) Judge(sorted []float64) Decision {
	n := len(sorted)
	low, high := !math.IsInf(t.Low, -1), !math.IsInf(t.High, 1)
	if n == 0 || !low && !high {
		return Open
	}
	belowLow, toLow := count(sorted, t.Low)
	belowHigh, toHigh := count(sorted, t.High)
	if (!high || UpperTail(belowHigh, n, t.Q) <= t.FalsePass) && (!low || LowerTail(toLow, n, t.Q) <= t.FalsePass) {
		return Pass
	}
	part := t.FalseFail
	if low && high {
		part /= 2
	}
	if high && LowerTail(toHigh, n, t.Q) <= part || low && UpperTail(belowLow, n, t.Q) <= part {
		return Fail
	}
	return Open
}

// count gives how many observations are less than a bound, and how many at most as large.
func count(sorted []float64, bound float64) (less, most int) {
	less, _ = slices.BinarySearch(sorted, bound)
	most, _ = slices.BinarySearch(sorted, math.Nextafter(bound, math.Inf(1)))
	return less, most
}

// Interval holds the quantile, by order statistics: each bound is wrong with at most the chance FalsePass, and infinite if there are
// too few observations for one.
func (t Quantile) Interval(sorted []float64) Interval {
	return quantileInterval(sorted, t.Q, t.FalsePass)
}

// quantileInterval takes the observations between which the quantile lies. Number u of n, from 1, is below the quantile only
// if u observations are, and each is with a chance of at most q; likewise above.
func quantileInterval(sorted []float64, q, rate float64) Interval {
	n := len(sorted)
	out := Interval{Low: math.Inf(-1), High: math.Inf(1)}
	if u := atLeast(n, q, rate); u <= n && n > 0 {
		out.High = sorted[u-1]
	}
	if l := atMost(n, q, rate) + 1; l >= 1 {
		out.Low = sorted[l-1]
	}
	return out
}

// Needed is the planned sample, given Spread. 0 if MaxSample are not enough.
func (t Quantile) Needed() int {
	if !(t.Spread > 0) {
		return 0
	}
	return smallest(spanOf(t.Spread), 0, func(n int) bool {
		sum := 0.0
		if !math.IsInf(t.High, 1) {
			sum += LowerTail(atLeast(n, t.Q, t.FalsePass)-1, n, t.Q+t.Spread)
		}
		if !math.IsInf(t.Low, -1) {
			sum += UpperTail(atMost(n, t.Q, t.FalsePass)+1, n, t.Q-t.Spread)
		}
		return sum <= t.FalseInconclusive
	})
}
