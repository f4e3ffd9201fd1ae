package stat

import "math"

// Mean tests the mean of a variable that lies between two known bounds, whatever its distribution is, by Hoeffding's inequality
// (1963, theorem 1): of n independent values in [0, 1] with the mean µ,
//
//	P(average >= a) <= e^(-n·D(a, µ)) for a >= µ, with D(a, µ) = a·ln(a/µ) + (1-a)·ln((1-a)/(1-µ)),
//
// and likewise below. It is exact up to a factor where the values are 0 or 1, and cautious where they vary less.
type Mean struct {
	// Target is the mean wanted, Tolerance how far off is too far (above 0), in the unit of the values. A side that lies beyond the
	// bounds is not tested.
	Target, Tolerance float64
	// Min and Max bound every value. A value beyond them is the caller's matter: the test means nothing then.
	Min, Max float64
	Errors
}

func (t Mean) unit(v float64) float64 { return (v - t.Min) / (t.Max - t.Min) }

func (t Mean) low() (float64, bool) {
	v := t.unit(t.Target - t.Tolerance)
	return v, v >= 0
}

func (t Mean) high() (float64, bool) {
	v := t.unit(t.Target + t.Tolerance)
	return v, v <= 1
}

// Judge decides on the average of n values.
func (t Mean) Judge(average float64, n int) Decision {
	low, below := t.low()
	high, above := t.high()
	a := t.unit(average)
	if n <= 0 || !below && !above {
		return Open
	}
	if (!below || tail(low, a, n) <= t.FalsePass) && (!above || tail(1-high, 1-a, n) <= t.FalsePass) {
		return Pass
	}
	part := t.FalseFail
	if below && above {
		part /= 2
	}
	if below && tail(1-low, 1-a, n) <= part || above && tail(high, a, n) <= part {
		return Fail
	}
	return Open
}

// tail bounds the chance that the average of n values in [0, 1] is a or more although their mean is at most mean.
func tail(mean, a float64, n int) float64 {
	if a <= mean {
		return 1
	}
	return math.Exp(-float64(n) * divergence(a, mean))
}

// divergence is D(a, µ), with 0·ln 0 = 0.
func divergence(a, mean float64) float64 {
	term := func(x, y float64) float64 {
		if x <= 0 {
			return 0
		}
		return x * math.Log(x/y)
	}
	return max(0, term(a, mean)+term(1-a, 1-mean))
}

// Interval holds the mean: each bound is wrong with at most the chance FalsePass. n > 0.
func (t Mean) Interval(average float64, n int) Interval {
	a, width := min(max(t.unit(average), 0), 1), t.Max-t.Min
	return Interval{Low: t.Min + width*below(a, n, t.FalsePass), High: t.Max - width*below(1-a, n, t.FalsePass)}
}

// below is the largest mean under an average at which the average is still too large: tail(mean, a, n) <= rate.
func below(a float64, n int, rate float64) float64 {
	low, high := 0.0, a
	for range 60 {
		if middle := (low + high) / 2; tail(middle, a, n) <= rate {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// Needed is the planned sample, for any distribution with the mean Target: the same inequality bounds the chance not to pass. 0 if
// MaxSample are not enough.
func (t Mean) Needed() int {
	low, isLow := t.low()
	high, isHigh := t.high()
	target := t.unit(t.Target)
	if !isLow && !isHigh {
		return 0
	}
	return smallest(0, 0, func(n int) bool {
		sum := 0.0
		if isLow { // the average must be so large that it is not due to a mean of low
			sum += short(1-target, 1-passes(low, n, t.FalsePass), n)
		}
		if isHigh {
			sum += short(target, 1-passes(1-high, n, t.FalsePass), n)
		}
		return sum <= t.FalseInconclusive
	})
}

// passes is the smallest average that rejects a mean: tail(mean, average, n) <= rate; above 1 if there is none.
func passes(mean float64, n int, rate float64) float64 {
	if tail(mean, 1, n) > rate {
		return 2
	}
	low, high := mean, 1.0
	for range 60 {
		if middle := (low + high) / 2; tail(mean, middle, n) <= rate {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// short bounds the chance that an average is above the edge, though its mean is as given: that it does not pass.
func short(mean, edge float64, n int) float64 {
	switch {
	case edge < 0, edge <= mean && mean > 0:
		return 1
	case mean <= 0:
		return 0 // every value is 0
	}
	return tail(mean, edge, n)
}
