package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
)

// runs is how often each declared rate is tried.
const runs = 20_000

// stream is a random stream of its own for each case: a failure repeats.
func stream(name string) *rand.Rand {
	seed := uint64(14695981039346656037)
	for _, c := range []byte(name) {
		seed = (seed ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a seeded stream, so that a failure repeats
}

// draw takes a binomial count.
func draw(r *rand.Rand, n int, p float64) int {
	if p <= 0 || n == 0 {
		return 0
	}
	if p >= 1 {
		return n
	}
	return int(distuv.Binomial{N: float64(n), P: p, Src: r}.Rand())
}

// holds asks that a wrong decision that came so often does not contradict its declared rate: the lower 99.99 % confidence limit of its
// true rate is at most the declared one.
func holds(t *testing.T, what string, times int, declared float64) {
	t.Helper()
	limit := lowerBound(times, runs, 1e-4)
	require.LessOrEqual(t, limit, declared, "%s: %d of %d runs, which cannot be due to a rate of %g", what, times, runs, declared)
}

// calibrate tries a test at truths that are off (it must not pass) and that are within (it must not fail).
func calibrate(t *testing.T, name string, e Errors, truths map[string]bool, try func(r *rand.Rand, truth string) Decision) {
	t.Helper()
	for truth, off := range truths {
		r := stream(name + truth)
		seen := map[Decision]int{}
		for range runs {
			seen[try(r, truth)]++
		}
		what := fmt.Sprintf("%s at %s: %v", name, truth, seen)
		if off {
			holds(t, what, seen[Pass], e.FalsePass)
		}
		if !off || truth == "edge" || truth == "low" || truth == "high" {
			holds(t, what, seen[Fail], e.FalseFail)
		}
		if !off && truth == "target" {
			holds(t, what, runs-seen[Pass], e.FalseInconclusive)
		}
	}
}

// rates are declared, and large enough to be seen in so many runs.
var rates = []Errors{{0.05, 0.05, 0.05}, {0.01, 0.01, 0.01}}

var around = map[string]bool{"target": false, "low": true, "high": true}

// at moves a target to where it is off by the tolerance.
func at(truth string, target, tolerance float64) float64 {
	switch truth {
	case "low":
		return target - tolerance
	case "high":
		return target + tolerance
	}
	return target
}

func TestCalibration(t *testing.T) {
	for _, e := range rates {
		name := fmt.Sprint(e)
		share := Share{Target: 0.8, Tolerance: 0.05, Errors: e}
		n := share.Needed()
		calibrate(t, "share"+name, e, around, func(r *rand.Rand, truth string) Decision {
			return share.Judge(draw(r, n, at(truth, 0.8, 0.05)), n)
		})

		split := Split{Targets: []float64{0.5, 0.3, 0.2}, Tolerance: 0.06, Errors: e}
		m := split.Needed()
		calibrate(t, "split"+name, e, around, func(r *rand.Rand, truth string) Decision {
			p := at(truth, 0.5, 0.06)
			a := draw(r, m, p)
			b := draw(r, m-a, 0.3/0.5) // of what is left, 0.3 and 0.2 in their proportion
			return split.Judge([]int{a, b, m - a - b})
		})

		// The counts on either side of a bound are all that the test of a quantile sees.
		quantile := Quantile{Q: 0.95, Low: math.Inf(-1), High: 2, Spread: 0.03, Errors: e}
		k := quantile.Needed()
		calibrate(t, "quantile"+name, e, map[string]bool{"target": false, "high": true}, func(r *rand.Rand, truth string) Decision {
			below := draw(r, k, map[string]float64{"target": 0.98, "high": 0.95}[truth])
			sorted := make([]float64, k)
			for i := range sorted {
				sorted[i] = 1
				if i >= below {
					sorted[i] = 3
				}
			}
			return quantile.Judge(sorted)
		})

		attempts := Mean{Target: 1.5, Tolerance: 0.3, Min: 1, Max: 3, Errors: e}
		a := attempts.Needed()
		calibrate(t, "mean"+name, e, around, func(r *rand.Rand, truth string) Decision {
			// Only 1 and 3: what Hoeffding's bound is closest to.
			threes := draw(r, a, (at(truth, 1.5, 0.3)-1)/2)
			return attempts.Judge(1+2*float64(threes)/float64(a), a)
		})
	}
}

func TestCalibrationOfComparisons(t *testing.T) {
	for _, e := range rates {
		name := fmt.Sprint(e)
		points := CompareShares{Tolerance: 0.1, Expect: 0.1, Errors: e}
		n := points.Needed()
		known := map[[2]int]Decision{}
		calibrate(t, "points"+name, e, map[string]bool{"target": false, "high": true}, func(r *rand.Rand, truth string) Decision {
			counts := [2]int{draw(r, n, at(truth, 0.1, 0.1)), draw(r, n, 0.1)}
			if _, ok := known[counts]; !ok {
				known[counts] = points.Judge(counts[0], n, counts[1], n)
			}
			return known[counts]
		})

		odds := CompareShares{OddsRatio: 2, Expect: 0.2, Errors: e}
		m := odds.Needed()
		calibrate(t, "odds"+name, e, around, func(r *rand.Rand, truth string) Decision {
			p := map[string]float64{"target": 0.2, "low": 0.125 / 1.125, "high": 0.5 / 1.5}[truth] // odds 1/4, 1/8, 1/2
			return odds.Judge(draw(r, m, p), m, draw(r, m, 0.2), m)
		})

		// Latencies are exponential, which is a matter of the test alone: 3 times the mean is 3 times every quantile.
		ratio := CompareQuantiles{Q: 0.9, Ratio: 3, Spread: 0.03, Errors: e}
		k := 150
		calibrate(t, "ratio"+name, Errors{e.FalsePass, e.FalseFail, 1}, around, func(r *rand.Rand, truth string) Decision {
			mean := map[string]float64{"target": 1, "low": 1. / 3, "high": 3}[truth]
			return ratio.Judge(exponentials(r, k, mean), exponentials(r, k, 1))
		})
		margin := CompareQuantiles{Q: 0.5, Margin: 0.4, Spread: 0.05, Errors: e}
		calibrate(t, "margin"+name, Errors{e.FalsePass, e.FalseFail, 1}, around, func(r *rand.Rand, truth string) Decision {
			mean := 1 + map[string]float64{"target": 0, "low": -0.4, "high": 0.4}[truth]/math.Ln2
			return margin.Judge(exponentials(r, k, mean), exponentials(r, k, 1))
		})
	}
}

// exponentials gives a sorted sample at once: the gaps of sorted exponentials are exponential (Rényi, 1953).
func exponentials(r *rand.Rand, n int, mean float64) []float64 {
	out, sum := make([]float64, n), 0.0
	for i := range out {
		sum += r.ExpFloat64() * mean / float64(n-i)
		out[i] = sum
	}
	return out
}

// Uniform latencies with all that Spread asks for, and no more: the planned sample passes as often as declared.
func TestPlannedQuantilesPass(t *testing.T) {
	e := Errors{0.05, 0.05, 0.05}
	r := stream("planned")
	sample := func(n int) []float64 {
		out := exponentials(r, n, 1)
		for i := range out {
			out[i] = 1 - math.Exp(-out[i]) // uniform
		}
		return out
	}
	two := Quantile{Q: 0.6, Low: 0.5, High: 0.7, Spread: 0.1, Errors: e}
	margin := CompareQuantiles{Q: 0.6, Margin: 0.2, Spread: 0.1, Errors: e}
	n, m := two.Needed(), margin.Needed()
	require.Less(t, n, 400)
	require.Less(t, m, 600)
	left, apart := 0, 0
	for range runs {
		if two.Judge(sample(n)) != Pass {
			left++
		}
		if margin.Judge(sample(m), sample(m)) != Pass {
			apart++
		}
	}
	holds(t, "a quantile between bounds", left, e.FalseInconclusive)
	holds(t, "two quantiles", apart, e.FalseInconclusive)
	require.Greater(t, left, runs/100, "the plan asks for no more than it needs")
	require.Equal(t, 459, Quantile{Q: 0.99, Low: math.Inf(-1), High: 1, Spread: 0.01, Errors: Errors{0.01, 0.001, 0.05}}.Needed())
	require.Zero(t, Quantile{Q: 0.99, Low: math.Inf(-1), High: 1, Errors: e}.Needed(), "no spread, no plan")
}

// The interval of a quantile holds it, as often as declared.
func TestQuantileInterval(t *testing.T) {
	r := stream("interval")
	truth := math.Log(10) // p90 of exponentials
	below, above := 0, 0
	for range runs {
		i := quantileInterval(exponentials(r, 100, 1), 0.9, 0.01)
		if i.Low > truth {
			above++
		}
		if i.High < truth {
			below++
		}
	}
	holds(t, "too high", above, 0.01)
	holds(t, "too low", below, 0.01)
	require.Greater(t, above+below, runs/500, "it is no wider than it must be")
	require.Equal(t, math.Inf(1), quantileInterval(exponentials(r, 20, 1), 0.9, 0.01).High, "20 say nothing about how slow the slowest tenth is")
}

// Ties are no trouble: latencies that are all the same have that quantile.
func TestQuantileTies(t *testing.T) {
	same := make([]float64, 1000)
	for i := range same {
		same[i] = 5
	}
	e := Errors{0.01, 0.001, 0.05}
	for _, c := range []struct {
		low, high float64
		want      Decision
	}{{4, 6, Pass}, {math.Inf(-1), 6, Pass}, {math.Inf(-1), 5, Open}, {5, 6, Open}, {math.Inf(-1), 4, Fail}, {6, 7, Fail}} {
		require.Equal(t, c.want, Quantile{Q: 0.95, Low: c.low, High: c.high, Errors: e}.Judge(same), "%+v", c)
	}
}

// Whatever the values are, as long as they are between the bounds.
func TestMeanOfOtherValues(t *testing.T) {
	for _, e := range rates {
		m := Mean{Target: 1.75, Tolerance: 0.3, Min: 1, Max: 3, Errors: e}
		n := m.Needed()
		off := 0
		r := stream("values")
		for range runs {
			// 1, 2 or 3 with 0.2, 0.55, 0.25: the mean is 2.05, off by the tolerance.
			ones := draw(r, n, 0.2)
			twos := draw(r, n-ones, 0.55/0.8)
			average := float64(ones+2*twos+3*(n-ones-twos)) / float64(n)
			if m.Judge(average, n) == Pass {
				off++
			}
		}
		holds(t, "mean", off, e.FalsePass)
	}
	e := Errors{0.01, 0.001, 0.05}
	m := Mean{Target: 1, Tolerance: 0.5, Min: 1, Max: 3, Errors: e} // below the least value nothing can be off
	require.Equal(t, Pass, m.Judge(1, m.Needed()))
	require.Equal(t, Open, m.Judge(1, 3))
	require.Equal(t, Fail, m.Judge(2.5, 200))
	i := m.Interval(1.2, 500)
	require.Less(t, i.Low, 1.2)
	require.Greater(t, i.High, 1.2)
	require.Less(t, i.High-i.Low, 0.3)
	require.Equal(t, m.Judge(1.2, 500) == Pass, i.High < 1.5)
}
