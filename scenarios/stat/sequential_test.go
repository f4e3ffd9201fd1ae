package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// fresh begins a planned test of one share again: planning takes longer than a run.
func fresh(plan *Sequential) *Sequential {
	p := plan.parts[0]
	return &Sequential{planned: plan.planned, parts: []*sequentialShare{{share: p.share, sides: p.sides, open: append([]boundary{}, p.sides...)}}}
}

// walk runs a test over outcomes of a share, as many as there are at most.
func walk(r *rand.Rand, q *Sequential, n int, truth float64) Decision {
	for range n {
		value := 1
		if r.Float64() < truth {
			value = 0
		}
		if d := q.Add(value); d != Open {
			return d
		}
	}
	return q.End()
}

func TestSequentialCalibration(t *testing.T) {
	for _, e := range rates {
		s := Share{Target: 0.8, Tolerance: 0.1, Errors: e}
		n, taken := s.NeededSequential(), 0
		plan := s.Sequential()
		calibrate(t, "sequential", e, around, func(r *rand.Rand, truth string) Decision {
			q := fresh(plan)
			d := walk(r, q, n, at(truth, 0.8, 0.1))
			if truth == "target" {
				taken += q.Taken()
			}
			return d
		})
		require.Less(t, taken/runs, s.Needed(), "on average it ends before a sample of fixed size would")
	}
}

// Rates too small to be seen are weighed: outcomes are drawn at another share, and each run counts by how much rarer it is at the
// true one (importance sampling). The mean of the weights of the wrong decisions is their chance.
func TestSequentialSmallRates(t *testing.T) {
	const rounds = 4000
	s := Share{Target: 0.8, Tolerance: 0.05, Errors: Errors{1e-5, 1e-5, 1e-3}}
	n, plan := s.NeededSequential(), s.Sequential()
	for _, c := range []struct {
		name        string
		truth, from float64
		wrong       Decision
	}{
		{"pass though too high", 0.85, 0.8, Pass},
		{"pass though too low", 0.75, 0.8, Pass},
		{"fail though high enough", 0.75, 0.7, Fail},
		{"fail though low enough", 0.85, 0.9, Fail},
	} {
		r := stream(c.name)
		sum, squares := 0.0, 0.0
		for range rounds {
			q := fresh(plan)
			if walk(r, q, n, c.from) != c.wrong {
				continue
			}
			p := q.parts[0]
			weight := math.Exp(float64(p.hits)*math.Log(c.truth/c.from) + float64(p.misses)*math.Log((1-c.truth)/(1-c.from)))
			sum, squares = sum+weight, squares+weight*weight
		}
		mean := sum / rounds
		deviation := math.Sqrt((squares/rounds - mean*mean) / rounds)
		require.LessOrEqual(t, mean-4*deviation, 1e-5, "%s: %g ± %g", c.name, mean, deviation)
		require.Greater(t, mean, 1e-8, "%s: the test can err, else it would be too cautious", c.name)
	}
}

// streams adds up all streams of n outcomes exactly: the chance of each decision at a true share. What a test of one share knows are its counts
// and which sides are still open.
func streams(plan *Sequential, n int, truth float64) map[Decision]float64 {
	type state struct {
		hits         int
		below, above bool // still open
	}
	p := plan.parts[0]
	sides := func(s state) []boundary {
		return slices.DeleteFunc(slices.Clone(p.sides), func(b boundary) bool { return b.above && !s.above || !b.above && !s.below })
	}
	out := map[Decision]float64{}
	at := map[state]float64{{0, true, true}: 1}
	for taken := range n {
		next := map[state]float64{}
		for s, chance := range at {
			for _, yes := range []bool{true, false} {
				q := &Sequential{
					planned: plan.planned, n: taken, looked: taken > plan.planned,
					parts: []*sequentialShare{{share: p.share, sides: p.sides, open: sides(s), hits: s.hits, misses: taken - s.hits}},
				}
				value, weight := 0, truth
				if !yes {
					value, weight = 1, 1-truth
				}
				d := q.Add(value)
				if d == Open && taken == n-1 {
					d = q.End()
				}
				if d != Open || taken == n-1 {
					out[d] += chance * weight
					continue
				}
				after := state{hits: q.parts[0].hits}
				for _, b := range q.parts[0].open {
					after.above, after.below = after.above || b.above, after.below || !b.above
				}
				next[after] += chance * weight
			}
		}
		at = next
	}
	return out
}

// The rates of a sequential test, added up exactly over all streams, however small they are: for streams that end early, as planned and
// late.
func TestSequentialHoldsItsRates(t *testing.T) {
	for _, c := range []struct {
		target, tolerance float64
		errors            Errors
	}{
		{0.5, 0.2, Errors{0.05, 0.05, 0.05}},
		{0.8, 0.15, Errors{0.01, 0.001, 0.05}},
		{0.1, 0.2, Errors{0.01, 0.01, 0.01}},
		{0, 0.1, Errors{0.01, 0.001, 0.05}},
		{0.5, 0.25, Errors{1e-5, 1e-5, 1e-5}},
	} {
		s := Share{Target: c.target, Tolerance: c.tolerance, Errors: c.errors}
		plan, planned := s.Sequential(), s.NeededSequential()
		for _, n := range []int{planned / 2, planned, planned * 5 / 4} {
			for _, off := range []float64{-1, -0.5, 0, 0.5, 1, 1.3} {
				truth := c.target + off*c.tolerance
				if truth < 0 || truth > 1 {
					continue
				}
				seen := streams(plan, n, truth)
				require.InDelta(t, 1, seen[Pass]+seen[Fail]+seen[Open], 1e-9)
				if off <= -1 || off >= 1 {
					require.LessOrEqual(t, seen[Pass], c.errors.FalsePass*(1+1e-9), "%+v with %d at %g", s, n, truth)
				}
				if off >= -1 && off <= 1 {
					require.LessOrEqual(t, seen[Fail], c.errors.FalseFail*(1+1e-9), "%+v with %d at %g", s, n, truth)
				}
				if off == 0 && n >= planned {
					require.LessOrEqual(t, 1-seen[Pass], c.errors.FalseInconclusive, "%+v with %d", s, n)
				}
				if off == 1 && n >= planned {
					require.Greater(t, seen[Pass], c.errors.FalsePass/4, "%+v with %d: it uses what it declares", s, n)
				}
			}
		}
	}
}

// The planned sample lets it pass as often as declared, and the bound on failing at the target holds.
func TestSequentialNeeded(t *testing.T) {
	e := Errors{0.01, 0.001, 0.05}
	s := Share{Target: 0.5, Tolerance: 0.1, Errors: e}
	n := s.NeededSequential()
	require.Less(t, n, s.Needed()*5/4, "looking costs little")
	require.Positive(t, s.half().failsAtTarget())
	require.Less(t, s.half().failsAtTarget(), e.FalseFail)
	three := Split{Targets: []float64{0.5, 0.3, 0.2}, Tolerance: 0.1, Errors: e}
	require.Less(t, three.NeededSequential(), three.Needed()*5/4)
	require.Zero(t, Share{Target: 0.5, Tolerance: 0.6, Errors: e}.NeededSequential())
	require.Zero(t, Share{Target: 0.5, Tolerance: 0.1, Errors: Errors{0.01, 0.4, 1e-9}}.NeededSequential(), "it fails more often than that")
}

func TestSequentialDecidesEarly(t *testing.T) {
	e := Errors{0.01, 0.001, 0.05}
	never := Share{Target: 0, Tolerance: 0.5, Errors: e}
	q := never.Sequential()
	require.Equal(t, Fail, walk(stream("all"), q, 1000, 1))
	require.Less(t, q.Taken(), 40, "all wrong")
	q = never.Sequential()
	require.Equal(t, Pass, walk(stream("none"), q, 1000, 0))
	require.Less(t, q.Taken(), 20, "none wrong")
	require.Equal(t, Pass, q.Add(0), "what is decided stays")
	require.Equal(t, Pass, q.End())
	require.Equal(t, Open, walk(stream("few"), never.Sequential(), 3, 0), "three show nothing")

	three := Split{Targets: []float64{0.5, 0.3, 0.2}, Tolerance: 0.1, Errors: e}
	r := stream("three")
	value := func(a, b float64) int {
		switch u := r.Float64(); {
		case u < a:
			return 0
		case u < a+b:
			return 1
		}
		return 2
	}
	good, bad := three.Sequential(), three.Sequential()
	for range three.NeededSequential() {
		good.Add(value(0.5, 0.3))
		bad.Add(value(0.2, 0.3))
	}
	require.Equal(t, Pass, good.End())
	require.Equal(t, Fail, bad.End())
	require.Less(t, bad.Taken(), three.Needed())
}

// A stream that ends before the planned sample is looked at once more, at its end.
func TestSequentialEnd(t *testing.T) {
	s := Share{Target: 0.5, Tolerance: 0.1, Errors: Errors{0.01, 0.001, 0.05}}
	require.Greater(t, s.NeededSequential(), 400)
	q := s.Sequential()
	for i := range 400 {
		// So even that the ratios lag behind: 0 and 1 in turn.
		if q.Add(i%2) != Open {
			break
		}
	}
	taken := q.Taken()
	d := q.End()
	require.Equal(t, d, q.End())
	require.Equal(t, taken, q.Taken())
	fixed := s.half()
	if taken == 400 {
		require.Equal(t, fixed.Judge(200, 400), d)
	} else {
		require.Equal(t, Pass, d)
	}
}
