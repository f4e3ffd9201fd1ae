package dist_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/sim/dist"
)

func drawn(d dist.Distribution, n int) []time.Duration {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable, not secret
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = d.Draw(r)
	}
	return out
}

func must(t *testing.T) func(dist.Distribution, error) dist.Distribution {
	t.Helper()
	return func(d dist.Distribution, err error) dist.Distribution {
		t.Helper()
		require.NoError(t, err)
		return d
	}
}

func TestAFitFindsTheFamilyThatWasDrawnFrom(t *testing.T) {
	ok := must(t)
	for family, d := range map[string]dist.Distribution{
		"constant":    ok(dist.Constant(time.Millisecond)),
		"exponential": ok(dist.Exponential(5 * time.Millisecond)),
		"log-normal":  ok(dist.LogNormal(time.Millisecond, .8)),
		"gamma":       ok(dist.Gamma(2*time.Millisecond, .6)),
		"empirical":   ok(dist.Empirical([]time.Duration{0, time.Millisecond, time.Millisecond, 50 * time.Millisecond, 51 * time.Millisecond})),
	} {
		fit, err := dist.Fit(drawn(d, 5000))
		require.NoError(t, err)
		require.LessOrEqual(t, fit.Distance, fit.Critical, family)
		if family != "exponential" { // a gamma of cv 1 is one
			require.True(t, strings.HasPrefix(fit.Distribution.String(), family), "%s was drawn, and %s found", family, fit.Distribution)
		}
		require.InEpsilon(t, d.Mean(), fit.Distribution.Mean(), .04, family)
		require.InDelta(t, math.Sqrt(d.SquaredCV()), math.Sqrt(fit.Distribution.SquaredCV()), .06, family)
		for _, share := range []float64{.1, .5, .9, .99} { // the shares below a value are those of the draws
			sorted := drawn(d, 5000)
			below := 0
			at := time.Duration(fit.Distribution.Mean() * 2 * share)
			for _, x := range sorted {
				if x <= at {
					below++
				}
			}
			require.InDelta(t, float64(below)/5000, fit.Distribution.Below(at), .03, "%s at %s", family, at)
		}
	}
	_, err := dist.Fit(nil)
	require.Error(t, err)
}

func TestDistributionsAreWrittenAndReadBack(t *testing.T) {
	ok := must(t)
	for _, d := range []dist.Distribution{
		ok(dist.Constant(time.Millisecond)), ok(dist.Exponential(time.Second)), ok(dist.LogNormal(time.Millisecond, .5)),
		ok(dist.Gamma(time.Millisecond, 2)), ok(dist.Pareto(time.Millisecond, 1.5)), ok(dist.Empirical([]time.Duration{1, 2, 9})),
	} {
		text := d.Text()
		back, err := text.Distribution()
		require.NoError(t, err)
		require.InEpsilon(t, d.Mean(), back.Mean(), 1e-3, d.String())
		for _, x := range []time.Duration{2, 900 * time.Microsecond, 3 * time.Millisecond} {
			require.InDelta(t, d.Below(x), back.Below(x), 1e-3, d.String())
		}
	}
	for _, bad := range []dist.Text{{}, {Exponential: &dist.Moments{Mean: 1, CV: 2}}, {Constant: new(dist.Duration), Empirical: []dist.Duration{1, 2}}, {Empirical: []dist.Duration{2, 1}}} {
		_, err := bad.Distribution()
		require.Error(t, err)
	}
}
