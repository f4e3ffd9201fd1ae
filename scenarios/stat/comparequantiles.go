package stat

import "math"

// CompareQuantiles tests whether two samples have the same quantile, whatever their distributions are. It puts order-statistic bounds of
// both together, each at half the rate: the quotient or difference of the true quantiles is beyond that of the bounds only if one of
// the two is wrong.
type CompareQuantiles struct {
	// Q is the quantile's level, between 0 and 1.
	Q float64
	// Ratio is off: experiment/control must lie between 1/Ratio and Ratio. Above 1; 0 if Margin is meant.
	Ratio float64
	// Margin is off: experiment-control must lie between -Margin and Margin, in the unit of the observations. Above 0; 0 if Ratio is meant.
	Margin float64
	// Spread says how clear it is when all is well, for Needed: half way (√Ratio or Margin/2) off the quantile on either side, the shares
	// of observations up to there differ from Q by at least Spread. Between 0 and 1-Q, and below Q.
	Spread float64
	Errors
}

// Judge decides on two sorted samples of observations >= 0.
func (t CompareQuantiles) Judge(experiment, control []float64) Decision {
	if inside(t.Interval(experiment, control), t.limits()) {
		return Pass
	}
	if apart(t.interval(experiment, control, t.FalseFail/4), t.limits()) {
		return Fail
	}
	return Open
}

// limits beyond which the two are different.
func (t CompareQuantiles) limits() Interval {
	if t.Ratio > 0 {
		return Interval{1 / t.Ratio, t.Ratio}
	}
	return Interval{-t.Margin, t.Margin}
}

// Interval holds experiment/control, or experiment-control with a Margin: each bound is wrong with at most the chance FalsePass.
func (t CompareQuantiles) Interval(experiment, control []float64) Interval {
	return t.interval(experiment, control, t.FalsePass/2)
}

func (t CompareQuantiles) interval(experiment, control []float64, rate float64) Interval {
	e, c := quantileInterval(experiment, t.Q, rate), quantileInterval(control, t.Q, rate)
	if t.Ratio > 0 {
		return Interval{quotient(e.Low, c.High, math.Inf(-1)), quotient(e.High, c.Low, math.Inf(1))}
	}
	return Interval{difference(e.Low, c.High, math.Inf(-1)), difference(e.High, c.Low, math.Inf(1))}
}

// quotient of bounds; otherwise is the answer where they bound nothing.
func quotient(a, b, otherwise float64) float64 {
	if math.IsInf(a, 0) || math.IsInf(b, 0) || !(b > 0) {
		return otherwise
	}
	return a / b
}

func difference(a, b, otherwise float64) float64 {
	if math.IsInf(a, 0) || math.IsInf(b, 0) {
		return otherwise
	}
	return a - b
}

func inside(i, limits Interval) bool { return i.Low > limits.Low && i.High < limits.High }
func apart(i, limits Interval) bool  { return i.Low > limits.High || i.High < limits.Low }

// Needed is the planned sample of each side, given Spread. 0 if MaxSample are not enough.
func (t CompareQuantiles) Needed() int {
	if !(t.Spread > 0) {
		return 0
	}
	return smallest(spanOf(t.Spread), 0, func(n int) bool {
		// Each of the two samples has its upper bound less than half way above, and its lower less than half way below.
		sum := 2 * LowerTail(atLeast(n, t.Q, t.FalsePass/2)-1, n, t.Q+t.Spread)
		sum += 2 * UpperTail(atMost(n, t.Q, t.FalsePass/2)+1, n, t.Q-t.Spread)
		return sum <= t.FalseInconclusive
	})
}
