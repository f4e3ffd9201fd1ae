package stat

import (
	"math"
	"sort"
)

// CompareShares tests whether an outcome is as frequent in an experiment as in its control.
//
// With OddsRatio the test is Fisher's: given how many there are in all, the number in the experiment has the noncentral hypergeometric
// distribution of the odds ratio alone, so that its tails are exact whatever the share is. With Tolerance it puts exact
// (Clopper-Pearson) bounds of both shares together, each at half the rate; that is cautious, and it holds for every pair of shares.
type CompareShares struct {
	// Tolerance is off: |experiment-control| must be less, as a difference of shares. 0 if OddsRatio is meant.
	Tolerance float64
	// OddsRatio is off: the quotient of the odds p/(1-p) must lie between 1/OddsRatio and OddsRatio. Of rare outcomes it is nearly
	// the quotient of the shares. Above 1; 0 if Tolerance is meant.
	OddsRatio float64
	// Expect is the share that both have when all is well, for Needed. It does not change what Judge decides.
	Expect float64
	Errors
}

// Judge decides on xe of ne in the experiment and xc of nc in the control.
func (t CompareShares) Judge(xe, ne, xc, nc int) Decision {
	if ne <= 0 || nc <= 0 {
		return Open
	}
	if t.OddsRatio > 0 {
		above, notAbove := oddsTails(xe, ne, nc, xe+xc, t.OddsRatio)
		notBelow, below := oddsTails(xe, ne, nc, xe+xc, 1/t.OddsRatio)
		switch {
		case notAbove <= t.FalsePass && notBelow <= t.FalsePass:
			return Pass
		case above <= t.FalseFail/2 || below <= t.FalseFail/2:
			return Fail
		}
		return Open
	}
	limits := Interval{-t.Tolerance, t.Tolerance}
	if inside(t.difference(xe, ne, xc, nc, t.FalsePass/2), limits) {
		return Pass
	}
	if apart(t.difference(xe, ne, xc, nc, t.FalseFail/4), limits) {
		return Fail
	}
	return Open
}

// Interval holds the difference experiment-control, or the odds ratio: each bound is wrong with at most the chance FalsePass.
func (t CompareShares) Interval(xe, ne, xc, nc int) Interval {
	if t.OddsRatio > 0 {
		return oddsInterval(xe, ne, xc, nc, t.FalsePass)
	}
	return t.difference(xe, ne, xc, nc, t.FalsePass/2)
}

func (t CompareShares) difference(xe, ne, xc, nc int, rate float64) Interval {
	e, c := ClopperPearson(xe, ne, rate), ClopperPearson(xc, nc, rate)
	return Interval{e.Low - c.High, e.High - c.Low}
}

// Needed is the planned sample of each side, if both have the share Expect. 0 if MaxSample are not enough, or if there is no such plan:
// an odds ratio of a share of 0 or 1.
func (t CompareShares) Needed() int {
	if t.OddsRatio > 0 && (t.Expect <= 0 || t.Expect >= 1) || t.OddsRatio == 0 && t.Tolerance >= 1 {
		return 0
	}
	// Each look at a size is a sum over two counts, so the last digits of large plans are left out.
	return smallest(0, 256, func(n int) bool { return t.notPass(n) <= t.FalseInconclusive })
}

// notPass is the chance that n samples of each side do not pass although both have the share Expect: an exact sum over both counts, as
// far as they have a chance worth adding; the rest counts as not passing.
func (t CompareShares) notPass(n int) float64 {
	const rest = 1e-9
	from := atMost(n, t.Expect, min(rest, t.FalseInconclusive/1000)) + 1
	to := atLeast(n, t.Expect, min(rest, t.FalseInconclusive/1000)) - 1
	if from > to {
		return 1
	}
	chance := make([]float64, to-from+1)
	for x := from; x <= to; x++ {
		chance[x-from] = mass(x, n, t.Expect)
	}
	if t.OddsRatio > 0 {
		return 1 - t.passOdds(n, from, chance)
	}
	pass := 0.0
	bounds := make([]Interval, len(chance))
	sums := make([]float64, len(chance)+1)
	for i := range bounds {
		bounds[i] = ClopperPearson(from+i, n, t.FalsePass/2)
		sums[i+1] = sums[i] + chance[i]
	}
	low, high := 0, 0 // the counts of the experiment that pass with i in the control are [low, high)
	for i, c := range bounds {
		for high < len(bounds) && bounds[high].High-c.Low < t.Tolerance {
			high++
		}
		for low < len(bounds) && bounds[low].Low-c.High <= -t.Tolerance {
			low++
		}
		if low < high {
			pass += chance[i] * (sums[high] - sums[low])
		}
	}
	return 1 - pass
}

// passOdds is the chance that n samples of each side pass the test of the odds ratio, where chance[i] is that of the count from+i.
func (t CompareShares) passOdds(n, from int, chance []float64) float64 {
	to := from + len(chance) - 1
	tooHigh := func(x, m int) bool { _, lower := oddsTails(x, n, n, m, t.OddsRatio); return lower > t.FalsePass }
	tooLow := func(x, m int) bool { upper, _ := oddsTails(x, n, n, m, 1/t.OddsRatio); return upper > t.FalsePass }
	// Given the sum of both counts, those of the experiment that pass are [low, high). The ends move by at most one with the sum.
	least, most := max(0, 2*from-n), min(2*from, n)
	high := least + sort.Search(most-least+1, func(i int) bool { return tooHigh(least+i, 2*from) })
	low := least + sort.Search(most-least+1, func(i int) bool { return !tooLow(least+i, 2*from) })
	pass := 0.0
	for m := 2 * from; m <= 2*to; m++ {
		for high <= min(m, n) && !tooHigh(high, m) {
			high++
		}
		for low <= min(m, n) && tooLow(low, m) {
			low++
		}
		for x := max(low, from, m-to); x < min(high, to+1, m-from+1); x++ {
			pass += chance[x-from] * chance[m-x-from]
		}
	}
	return pass
}

// oddsTails are P(X >= x) and P(X <= x) of Fisher's noncentral hypergeometric distribution: X of ne, given m in all among ne+nc, at an
// odds ratio. Terms are summed from the mode outwards, each from its neighbour.
func oddsTails(x, ne, nc, m int, odds float64) (upper, lower float64) {
	from, to := max(0, m-nc), min(m, ne)
	up := func(k int) float64 { // P(k+1)/P(k)
		return float64(ne-k) * float64(m-k) / (float64(k+1) * float64(nc-m+k+1)) * odds
	}
	low, high := from, to // the mode is the first k with up(k) <= 1
	for low < high {
		if middle := low + (high-low)/2; up(middle) <= 1 {
			high = middle
		} else {
			low = middle + 1
		}
	}
	mode, total := low, 0.0
	add := func(k int, w float64) {
		total += w
		if k >= x {
			upper += w
		}
		if k <= x {
			lower += w
		}
	}
	const rest = 1e-25 // of the mode's term: what is smaller decides nothing
	w := 1.0
	for k := mode; k <= to && w > rest; k++ {
		add(k, w)
		if k < to {
			w *= up(k)
		}
	}
	w = 1.0
	for k := mode; k > from && w > rest; k-- {
		w /= up(k - 1)
		add(k-1, w)
	}
	return min(1, upper/total), min(1, lower/total)
}

// oddsInterval inverts the tails.
func oddsInterval(xe, ne, xc, nc int, rate float64) Interval {
	out, m := Interval{0, math.Inf(1)}, xe+xc
	solve := func(above func(odds float64) bool) float64 {
		low, high := -50.0, 50.0 // of the logarithm
		for range 60 {
			if middle := (low + high) / 2; above(math.Exp(middle)) {
				high = middle
			} else {
				low = middle
			}
		}
		return math.Exp((low + high) / 2)
	}
	if xe > max(0, m-nc) {
		out.Low = solve(func(odds float64) bool { upper, _ := oddsTails(xe, ne, nc, m, odds); return upper > rate })
	}
	if xe < min(m, ne) {
		out.High = solve(func(odds float64) bool { _, lower := oddsTails(xe, ne, nc, m, odds); return lower <= rate })
	}
	return out
}
