package assert

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/scenarios/record"
)

// mass gives P(X = k) for all k of n draws at share p, in 200 bits: nothing of distuv's.
func mass(n int, p float64) []float64 {
	out := make([]float64, n+1)
	one := big.NewFloat(1).SetPrec(200)
	yes := new(big.Float).SetPrec(200).SetFloat64(p)
	no := new(big.Float).SetPrec(200).Sub(one, yes)
	power := func(b *big.Float, k int) *big.Float {
		v := new(big.Float).SetPrec(200).SetFloat64(1)
		for range k {
			v.Mul(v, b)
		}
		return v
	}
	for k := range out {
		v := new(big.Float).SetPrec(200).SetInt(new(big.Int).Binomial(int64(n), int64(k)))
		v.Mul(v, power(yes, k)).Mul(v, power(no, n-k))
		out[k], _ = v.Float64()
	}
	return out
}

func TestTailsAreExact(t *testing.T) {
	for _, n := range []int{1, 2, 17, 120} {
		for _, p := range []float64{0.001, 0.04, 0.5, 0.84, 0.999} {
			m := mass(n, p)
			for x := range n + 1 {
				lower, upper := 0.0, 0.0
				for k, v := range m {
					if k <= x {
						lower += v
					}
					if k >= x {
						upper += v
					}
				}
				require.InDelta(t, lower, lowerTail(x, n, p), 1e-12, "P(X<=%d), n=%d p=%g", x, n, p)
				require.InDelta(t, upper, upperTail(x, n, p), 1e-12, "P(X>=%d), n=%d p=%g", x, n, p)
			}
		}
	}
}

// The chance of each verdict at a true share, added up exactly over all counts.
func chances(n int, share, p0, tol, falsePass, falseFail float64) map[record.Verdict]float64 {
	out := map[record.Verdict]float64{}
	for x, v := range mass(n, share) {
		out[judgeShare(x, n, p0, tol, falsePass, falseFail)] += v
	}
	return out
}

func TestErrorRatesHold(t *testing.T) {
	const falsePass, falseFail = 0.01, 0.001
	for _, n := range []int{5, 60, 400} {
		for _, c := range []struct{ p0, tol float64 }{{0.5, 0.09}, {0.9, 0.06}, {0.1, 0.06}, {0.02, 0.05}, {0.98, 0.05}, {0.3, 0.3}} {
			for _, off := range []float64{-c.tol, c.tol} {
				share := c.p0 + off
				if share <= 0 || share >= 1 {
					continue // no share is that far off on this side
				}
				at := chances(n, share, c.p0, c.tol, falsePass, falseFail)
				require.LessOrEqual(t, at[record.Pass], falsePass, "n=%d p0=%g off by %g", n, c.p0, off)
				require.LessOrEqual(t, at[record.Fail], falseFail, "n=%d p0=%g off by %g", n, c.p0, off)
				beyond := chances(n, min(max(c.p0+1.3*off, 0), 1), c.p0, c.tol, falsePass, falseFail)
				require.LessOrEqual(t, beyond[record.Pass], falsePass)
			}
			at := chances(n, c.p0, c.p0, c.tol, falsePass, falseFail)
			require.LessOrEqual(t, at[record.Fail], falseFail)
			require.InDelta(t, 1, at[record.Pass]+at[record.Fail]+at[record.Inconclusive], 1e-9)
		}
	}
}

// With enough requests a right share passes and a wrong one fails: a test that never decides is of no use.
func TestPower(t *testing.T) {
	const n = 1600
	const falsePass, falseFail = 0.01, 0.00001
	seed := [2]uint64{3, 4}
	rng := rand.New(rand.NewPCG(seed[0], seed[1])) //nolint:gosec // a seeded stream, so that a failure repeats
	draw := func(p float64) int {
		x := 0
		for range n {
			if rng.Float64() < p {
				x++
			}
		}
		return x
	}
	const rounds = 400
	for _, c := range []struct {
		share float64
		want  record.Verdict
	}{{0.5, record.Pass}, {0.3, record.Fail}, {0.7, record.Fail}} {
		hits, wrong := 0, 0
		for range rounds {
			switch judgeShare(draw(c.share), n, 0.5, 0.09, falsePass, falseFail) {
			case c.want:
				hits++
			case record.Pass, record.Fail:
				wrong++
			case record.Inconclusive, record.Error:
			}
		}
		require.Greater(t, float64(hits)/rounds, 0.98, "share %g, seed %v", c.share, seed)
		require.Zero(t, wrong, "share %g, seed %v", c.share, seed)
	}
	for _, share := range []float64{0.41, 0.59} { // off by exactly the tolerance
		passes, fails := 0.0, 0.0
		for range rounds {
			switch judgeShare(draw(share), n, 0.5, 0.09, falsePass, falseFail) {
			case record.Pass:
				passes++
			case record.Fail:
				fails++
			case record.Inconclusive, record.Error:
			}
		}
		// Four standard deviations above the declared rate.
		require.LessOrEqual(t, passes/rounds, falsePass+4*math.Sqrt(falsePass*(1-falsePass)/rounds), "share %g, seed %v", share, seed)
		require.LessOrEqual(t, fails, 1.0, "share %g, seed %v", share, seed)
	}
}
