package stat

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

// masses gives P(X = k) for all k of n draws at share p, in 200 bits: nothing of what is tested.
func masses(n int, p float64) []float64 {
	number := func(v float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(v) }
	yes, no := number(p), new(big.Float).SetPrec(200).Sub(number(1), number(p))
	powers := func(b *big.Float) []*big.Float {
		out := []*big.Float{number(1)}
		for k := range n {
			out = append(out, new(big.Float).SetPrec(200).Mul(out[k], b))
		}
		return out
	}
	hits, misses := powers(yes), powers(no)
	choose := number(1)
	out := make([]float64, n+1)
	for k := range out {
		v := new(big.Float).SetPrec(200).Mul(choose, hits[k])
		out[k], _ = v.Mul(v, misses[n-k]).Float64()
		choose.Mul(choose, number(float64(n-k))).Quo(choose, number(float64(k+1)))
	}
	return out
}

func TestTailsAreExact(t *testing.T) {
	for _, n := range []int{1, 2, 17, 120, 8253} {
		for _, p := range []float64{0.001, 0.04, 0.5, 0.77, 0.999} {
			m := masses(n, p)
			lower := 0.0
			for x := range n + 1 {
				lower += m[x]
				require.InDelta(t, lower, LowerTail(x, n, p), 1e-10, "P(X<=%d), n=%d p=%g", x, n, p)
				if m[x] > 1e-250 {
					require.InEpsilon(t, m[x], mass(x, n, p), 1e-8)
				}
			}
			upper := 0.0
			for x := n; x >= 0; x-- {
				upper += m[x]
				require.InDelta(t, upper, UpperTail(x, n, p), 1e-10, "P(X>=%d), n=%d p=%g", x, n, p)
				if upper > 1e-200 && upper < 1e-3 {
					require.InEpsilon(t, upper, UpperTail(x, n, p), 1e-6, "small tails keep their digits: P(X>=%d), n=%d p=%g", x, n, p)
				}
			}
		}
	}
}

func TestCriticalCounts(t *testing.T) {
	for _, n := range []int{1, 7, 200} {
		for _, p := range []float64{0, 0.01, 0.3, 0.99, 1} {
			for _, rate := range []float64{0.2, 1e-5} {
				x := atLeast(n, p, rate)
				require.LessOrEqual(t, UpperTail(x, n, p), rate)
				require.Greater(t, UpperTail(x-1, n, p), rate)
				x = atMost(n, p, rate)
				require.LessOrEqual(t, LowerTail(x, n, p), rate)
				require.Greater(t, LowerTail(x+1, n, p), rate)
			}
		}
	}
}

// chances adds up the chance of each decision at a true share, exactly, over all counts.
func chances(s Share, n int, truth float64) map[Decision]float64 {
	out := map[Decision]float64{}
	for x, v := range masses(n, truth) {
		if v > 1e-30 {
			out[s.Judge(x, n)] += v
		}
	}
	return out
}

// The declared rates hold exactly, however small they are: at the tolerance, within it and beyond it.
func TestShareHoldsItsRates(t *testing.T) {
	for _, e := range []Errors{{0.05, 0.05, 0.05}, {0.01, 0.001, 0.05}, {0.01, 1e-5, 1e-5}, {1e-5, 1e-5, 1e-5}} {
		for _, c := range []struct{ target, tolerance float64 }{{0.5, 0.09}, {0.9, 0.06}, {0.1, 0.06}, {0.02, 0.05}, {0, 0.05}, {1, 0.03}, {0.3, 0.3}} {
			s := Share{Target: c.target, Tolerance: c.tolerance, Errors: e}
			for _, n := range []int{1, 5, 60, 400, 1500} {
				for _, off := range []float64{-1.2, -1, -0.5, 0, 0.5, 1, 1.2} {
					truth := c.target + off*c.tolerance
					if truth < 0 || truth > 1 {
						continue
					}
					at := chances(s, n, truth)
					if off <= -1 || off >= 1 {
						require.LessOrEqual(t, at[Pass], e.FalsePass*(1+1e-9), "%+v n=%d true %g", s, n, truth)
					}
					if off >= -1 && off <= 1 {
						require.LessOrEqual(t, at[Fail], e.FalseFail*(1+1e-9), "%+v n=%d true %g", s, n, truth)
					}
				}
			}
		}
	}
}

// The planned sample gives the declared chance not to pass, added up exactly, and so do larger ones; half of it does not.
func TestShareNeeded(t *testing.T) {
	for _, c := range []struct {
		target, tolerance float64
		errors            Errors
		least, most       int
	}{
		{0.8, 0.03, Errors{0.01, 1e-5, 1e-5}, 7800, 8400},
		{0.8, 0.03, Errors{0.01, 0.001, 0.05}, 3000, 3600},
		{0.5, 0.1, Errors{0.05, 0.001, 0.05}, 250, 350},
		{0.05, 0.04, Errors{0.01, 0.001, 0.05}, 300, 900},
		{0, 0.01, Errors{0.01, 0.001, 0.05}, 459, 459}, // 0.99^459 is the first below 0.01
		{1, 0.001, Errors{0.01, 0.001, 0.05}, 4603, 4603},
	} {
		s := Share{Target: c.target, Tolerance: c.tolerance, Errors: c.errors}
		n := s.Needed()
		require.GreaterOrEqual(t, n, c.least, "%+v", s)
		require.LessOrEqual(t, n, c.most, "%+v", s)
		for _, size := range []int{n, n + 1, n + 7, n + 100, 2 * n} {
			require.LessOrEqual(t, 1-chances(s, size, c.target)[Pass], c.errors.FalseInconclusive, "%+v with %d", s, size)
			require.InDelta(t, 1-chances(s, size, c.target)[Pass], s.notPass(size), 1e-9)
		}
		for _, off := range []float64{-c.tolerance, c.tolerance} {
			if truth := c.target + off; truth >= 0 && truth <= 1 {
				wrong := chances(s, n, truth)
				require.LessOrEqual(t, wrong[Pass], c.errors.FalsePass*(1+1e-9), "%+v at %g", s, truth)
				require.LessOrEqual(t, wrong[Fail], c.errors.FalseFail*(1+1e-9), "%+v at %g", s, truth)
				require.Greater(t, wrong[Pass], c.errors.FalsePass/2, "it uses what it declares")
			}
		}
		require.Greater(t, s.notPass(n-1), c.errors.FalseInconclusive, "%+v needs no more than %d", s, n-1)
		require.Greater(t, 1-chances(s, n/2, c.target)[Pass], 5*c.errors.FalseInconclusive, "%+v with half", s)
	}
	require.Zero(t, Share{Target: 0.5, Tolerance: 0.6, Errors: Errors{0.01, 0.001, 0.05}}.Needed(), "every share is within the tolerance")
	require.Zero(t, Share{Target: 0.5, Tolerance: 1e-5, Errors: Errors{0.01, 0.001, 0.05}}.Needed(), "more than MaxSample")
}

// The interval and the decision say the same.
func TestIntervalAgrees(t *testing.T) {
	s := Share{Target: 0.8, Tolerance: 0.05, Errors: Errors{0.01, 0.001, 0.05}}
	passes := 0
	for _, n := range []int{10, 900} {
		for x := range n + 1 {
			i := s.Interval(x, n)
			require.Equal(t, s.Judge(x, n) == Pass, i.Low >= 0.75 && i.High <= 0.85, "%d of %d: %v", x, n, i)
			if s.Judge(x, n) == Pass {
				passes++
			}
		}
	}
	require.NotZero(t, passes)
	require.Equal(t, Interval{0, 1 - lowerBound(5, 5, 0.01)}, ClopperPearson(0, 5, 0.01))
	require.InDelta(t, 0.6019, ClopperPearson(0, 5, 0.01).High, 1e-4) // 1 - 0.01^(1/5)
}

func TestNoSampleDecidesNothing(t *testing.T) {
	e := Errors{0.01, 0.001, 0.05}
	require.Equal(t, Open, Share{0.5, 0.1, e}.Judge(0, 0))
	require.Equal(t, Open, Split{[]float64{0.5, 0.5}, 0.1, e}.Judge([]int{0, 0}))
	require.Equal(t, Open, Split{[]float64{0.5, 0.3, 0.2}, 0.1, e}.Judge([]int{0, 0, 0}))
	require.Equal(t, Open, Quantile{Q: 0.9, Low: 1, High: 2, Errors: e}.Judge(nil))
	require.Equal(t, Open, CompareShares{Tolerance: 0.1, Errors: e}.Judge(0, 0, 0, 0))
	require.Equal(t, Open, CompareShares{OddsRatio: 2, Errors: e}.Judge(0, 10, 0, 0))
	require.Equal(t, Open, CompareShares{OddsRatio: 2, Errors: e}.Judge(0, 1000, 0, 1000), "what never happened has no odds")
	require.Equal(t, Open, CompareQuantiles{Q: 0.9, Ratio: 2, Errors: e}.Judge(nil, []float64{1}))
	require.Equal(t, Open, CompareQuantiles{Q: 0.9, Margin: 2, Errors: e}.Judge(nil, nil))
	require.Equal(t, Open, Mean{Target: 1.5, Tolerance: 0.1, Min: 1, Max: 3, Errors: e}.Judge(0, 0))
	require.Equal(t, Open, Share{0.5, 0.1, e}.Sequential().End())
	require.Equal(t, "open pass fail", fmt.Sprintf("%s %s %s", Open, Pass, Fail))
}

// Fisher's tails against all ways to draw.
func TestOddsTails(t *testing.T) {
	choose := func(n, k int) *big.Float {
		return new(big.Float).SetPrec(200).SetInt(new(big.Int).Binomial(int64(n), int64(k)))
	}
	for _, c := range []struct{ ne, nc, m int }{{1, 1, 1}, {5, 3, 4}, {5, 3, 7}, {40, 70, 33}, {70, 40, 100}, {9, 9, 0}, {9, 9, 18}} {
		for _, odds := range []float64{0.1, 1, 1.5, 20} {
			from, to := max(0, c.m-c.nc), min(c.m, c.ne)
			weights, total, power := map[int]*big.Float{}, new(big.Float).SetPrec(200), new(big.Float).SetPrec(200).SetFloat64(1)
			for k := from; k <= to; k++ {
				w := choose(c.ne, k)
				w.Mul(w, choose(c.nc, c.m-k)).Mul(w, power)
				weights[k] = w
				total.Add(total, w)
				power.Mul(power, new(big.Float).SetFloat64(odds))
			}
			for x := from; x <= to; x++ {
				want := 0.0
				for k := x; k <= to; k++ {
					v, _ := new(big.Float).Quo(weights[k], total).Float64()
					want += v
				}
				at, _ := new(big.Float).Quo(weights[x], total).Float64()
				upper, lower := oddsTails(x, c.ne, c.nc, c.m, odds)
				require.InDelta(t, want, upper, 1e-9, "%+v odds %g x %d", c, odds, x)
				require.InDelta(t, 1-want+at, lower, 1e-9, "%+v odds %g x %d", c, odds, x)
			}
		}
	}
}

// What Needed adds up for two counts is what Judge decides, over all pairs of counts.
func TestCompareSharesNeeded(t *testing.T) {
	e := Errors{0.05, 0.01, 0.05}
	for _, c := range []CompareShares{
		{Tolerance: 0.25, Expect: 0.3, Errors: e},
		{Tolerance: 0.1, Expect: 0, Errors: e},
		{Tolerance: 0.2, Expect: 1, Errors: e},
		{OddsRatio: 4, Expect: 0.3, Errors: e},
		{OddsRatio: 3, Expect: 0.5, Errors: e},
		{OddsRatio: 8, Expect: 0.1, Errors: e},
	} {
		n := c.Needed()
		require.NotZero(t, n, "%+v", c)
		require.Less(t, n, 700)
		for _, size := range []int{n, n/2 + 1} {
			m, pass := masses(size, c.Expect), 0.0
			for xe, pe := range m {
				for xc, pc := range m {
					if pe*pc > 1e-14 && c.Judge(xe, size, xc, size) == Pass {
						pass += pe * pc
					}
				}
			}
			require.InDelta(t, 1-pass, c.notPass(size), 1e-6, "%+v with %d", c, size)
			if size == n {
				require.LessOrEqual(t, 1-pass, e.FalseInconclusive+1e-9, "%+v with %d", c, size)
			} else {
				require.Greater(t, 1-pass, 2*e.FalseInconclusive, "%+v with half", c)
			}
		}
	}
	require.Zero(t, CompareShares{OddsRatio: 2, Expect: 0, Errors: e}.Needed(), "what never happens has no odds")
}

// The odds' interval and the decision say the same.
func TestOddsIntervalAgrees(t *testing.T) {
	c := CompareShares{OddsRatio: 2, Errors: Errors{0.05, 0.01, 0.05}}
	passes := 0
	for xe := 0; xe <= 300; xe += 3 {
		i := c.Interval(xe, 300, 150, 300)
		pass := c.Judge(xe, 300, 150, 300) == Pass
		require.Equal(t, pass, i.Low > 0.5 && i.High < 2, "%d: %v", xe, i)
		if pass {
			passes++
		}
	}
	require.NotZero(t, passes)
}

// passesOf is a chance for three values and more: the exact multinomial chance that every count lies in its range, by adding value after
// value to the number of samples that are left.
func passesOf(s Split, n int, truth []float64) float64 {
	type span struct{ from, to int }
	var ranges []span
	for _, share := range s.shares() {
		r := span{0, n}
		if low, ok := share.low(); ok {
			r.from = atLeast(n, low, share.FalsePass)
		}
		if high, ok := share.high(); ok {
			r.to = atMost(n, high, share.FalsePass)
		}
		ranges = append(ranges, r)
	}
	left, rest := map[int]float64{n: 1}, 1.0
	for i, r := range ranges {
		next := map[int]float64{}
		for room, chance := range left {
			for x := r.from; x <= min(r.to, room); x++ {
				next[room-x] += chance * mass(x, room, min(1, truth[i]/rest))
			}
		}
		left, rest = next, rest-truth[i]
	}
	return left[0]
}

// The plan for several values adds up the chances of each; the exact multinomial chance is no larger, and not much smaller.
func TestSplitNeeded(t *testing.T) {
	for _, targets := range [][]float64{{0.5, 0.3, 0.2}, {0.4, 0.3, 0.2, 0.1}} {
		s := Split{Targets: targets, Tolerance: 0.1, Errors: Errors{0.01, 0.001, 0.05}}
		n := s.Needed()
		exact := 1 - passesOf(s, n, targets)
		require.LessOrEqual(t, exact, 0.05, "%v with %d", targets, n)
		require.Greater(t, exact, 0.02, "%v with %d", targets, n)
		off := append([]float64{}, targets...)
		off[0], off[1] = off[0]+0.1, off[1]-0.1
		require.LessOrEqual(t, passesOf(s, n, off), 0.01)
		require.Greater(t, passesOf(s, n, off), 0.0001)
	}
	two := Split{Targets: []float64{0.8, 0.2}, Tolerance: 0.03, Errors: Errors{0.01, 1e-5, 1e-5}}
	one := Share{Target: 0.8, Tolerance: 0.03, Errors: two.Errors}
	require.Equal(t, one.Needed(), two.Needed(), "two values are one share")
	require.Equal(t, Pass, two.Judge([]int{8000, 2000}))
	require.Equal(t, Fail, two.Judge([]int{7000, 3000}))
	require.Equal(t, Open, two.Judge([]int{80, 20}))
	one = Share{Target: 1, Tolerance: 0.01, Errors: two.Errors}
	require.Equal(t, one.Needed(), Split{Targets: []float64{1}, Tolerance: 0.01, Errors: two.Errors}.Needed())
}
