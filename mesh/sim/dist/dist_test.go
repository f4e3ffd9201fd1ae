package dist_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/squallmesh/squall/mesh/sim/des"
	"github.com/squallmesh/squall/mesh/sim/dist"
)

const unit = time.Millisecond

// shape is a distribution, the mean (in units) and squared coefficient of variation that it should have, and its distribution function.
type shape struct {
	name      string
	d         dist.Distribution
	err       error
	mean, cs2 float64
	cdf       func(units float64) float64
}

func named(name string, mean, cs2 float64, cdf func(float64) float64) func(dist.Distribution, error) shape {
	return func(d dist.Distribution, err error) shape { return shape{name, d, err, mean, cs2, cdf} }
}

func shapes() []shape {
	gamma := func(mean, cv float64) func(float64) float64 {
		return distuv.Gamma{Alpha: 1 / (cv * cv), Beta: 1 / (cv * cv) / mean}.CDF
	}
	logNormal := func(mean, cv float64) func(float64) float64 {
		variance := math.Log(1 + cv*cv)
		return distuv.LogNormal{Mu: math.Log(mean) - variance/2, Sigma: math.Sqrt(variance)}.CDF
	}
	pareto := func(minimum, alpha float64) func(float64) float64 {
		return distuv.Pareto{Xm: minimum, Alpha: alpha}.CDF
	}
	inf := math.Inf(1)
	return []shape{
		named("exponential", 3, 1, distuv.Exponential{Rate: 1.0 / 3}.CDF)(dist.Exponential(3 * unit)),
		named("log-normal 0.5", 2, 0.25, logNormal(2, 0.5))(dist.LogNormal(2*unit, 0.5)),
		named("log-normal 2", 1, 4, logNormal(1, 2))(dist.LogNormal(unit, 2)),
		named("gamma 0.5", 2, 0.25, gamma(2, 0.5))(dist.Gamma(2*unit, 0.5)),
		named("gamma 1", 1, 1, gamma(1, 1))(dist.Gamma(unit, 1)),
		named("gamma 2", 1, 4, gamma(1, 2))(dist.Gamma(unit, 2)),
		named("Pareto 3", 1.5, 1.0/3, pareto(1, 3))(dist.Pareto(unit, 3)),
		named("Pareto 1.5", 3, inf, pareto(1, 1.5))(dist.Pareto(unit, 1.5)),
		named("Pareto 1", inf, inf, pareto(1, 1))(dist.Pareto(unit, 1)),
	}
}

func TestMeansAndVariances(t *testing.T) {
	for _, s := range shapes() {
		require.NoError(t, s.err, s.name)
		if math.IsInf(s.mean, 1) {
			require.Equal(t, s.mean, s.d.Mean(), s.name)
		} else {
			require.InEpsilon(t, s.mean*float64(unit), s.d.Mean(), 1e-9, s.name)
		}
		if math.IsInf(s.cs2, 1) {
			require.Equal(t, s.cs2, s.d.SquaredCV(), s.name)
		} else {
			require.InEpsilon(t, s.cs2, s.d.SquaredCV(), 1e-9, s.name)
		}
	}
	c, err := dist.Constant(unit)
	require.NoError(t, err)
	require.Equal(t, []float64{float64(unit), 0}, []float64{c.Mean(), c.SquaredCV()})
}

// The draws follow the distribution function: Kolmogorov's and Smirnov's test at 0.1 % of false alarms for each shape, whose limit is
// √(ln(2/0.001)/2n). The seed is fixed, so a failure repeats.
func TestDrawsFollowTheDistribution(t *testing.T) {
	const n = 100_000
	limit := math.Sqrt(math.Log(2/0.001) / 2 / n)
	for _, s := range shapes() {
		r := des.Stream(1, s.name)
		draws := make([]time.Duration, n)
		for i := range draws {
			draws[i] = s.d.Draw(r)
		}
		slices.Sort(draws)
		// A draw is what lies within half a nanosecond of it; a gamma time of a shape below 1 is 0 surprisingly often.
		within := func(d time.Duration, half float64) float64 { return s.cdf(max(0, float64(d)+half) / float64(unit)) }
		distance := 0.0
		for i, d := range draws {
			if i == 0 || draws[i-1] != d {
				distance = max(distance, math.Abs(float64(i)/n-within(d, -0.5)))
			}
			if i == n-1 || draws[i+1] != d {
				distance = max(distance, math.Abs(float64(i+1)/n-within(d, 0.5)))
			}
		}
		require.Less(t, distance, limit, s.name)
	}
}

func TestEdges(t *testing.T) {
	r := des.Stream(1, "edges")
	var zero dist.Distribution
	require.Zero(t, zero.Draw(r))
	c, err := dist.Constant(unit)
	require.NoError(t, err)
	require.Equal(t, unit, c.Draw(r))
	heavy, err := dist.Pareto(dist.Longest/2, 0.001)
	require.NoError(t, err)
	for range 1000 {
		d := heavy.Draw(r)
		require.GreaterOrEqual(t, d, dist.Longest/2)
		require.LessOrEqual(t, d, dist.Longest)
	}
}

func TestParametersThatMakeNoSense(t *testing.T) {
	for i, c := range []struct {
		want string
		err  func() error
	}{
		{"a constant time of -1ns", func() error { _, err := dist.Constant(-1); return err }},
		{"an exponential time with a mean of 0s", func() error { _, err := dist.Exponential(0); return err }},
		{"a log-normal time with a mean of -1s", func() error { _, err := dist.LogNormal(-time.Second, 1); return err }},
		{"a log-normal time with a coefficient of variation of 0", func() error { _, err := dist.LogNormal(unit, 0); return err }},
		{"a gamma time with a coefficient of variation of NaN", func() error { _, err := dist.Gamma(unit, math.NaN()); return err }},
		{"a gamma time with a mean of", func() error { _, err := dist.Gamma(dist.Longest+1, 1); return err }},
		{"a Pareto time with a shape of +Inf", func() error { _, err := dist.Pareto(unit, math.Inf(1)); return err }},
		{"a Pareto time with a minimum of 0s", func() error { _, err := dist.Pareto(0, 2); return err }},
	} {
		require.ErrorContains(t, c.err(), c.want, fmt.Sprint(i))
	}
}
