package pace_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/squallmesh/squall/loadgen/pace"
)

func rate(t testing.TB, s string) pace.Rate {
	t.Helper()
	r, err := pace.ParseRate(s)
	require.NoError(t, err)
	return r
}

func must(t testing.TB) func(pace.Pacer, error) pace.Pacer {
	t.Helper()
	return func(p pace.Pacer, err error) pace.Pacer {
		t.Helper()
		require.NoError(t, err)
		return p
	}
}

const ms = time.Millisecond

// Each table was computed by hand from the formula in the constructor's comment.
func TestSchedules(t *testing.T) {
	type hits struct {
		until time.Duration
		want  uint64
	}
	type speed struct {
		at   time.Duration
		want float64
	}
	for name, c := range map[string]struct {
		pacer pace.Pacer
		due   []time.Duration
		hits  []hits
		rate  []speed
	}{
		"constant 20/s": {
			pacer: pace.NewConstant(rate(t, "20/s")),
			due:   []time.Duration{0, 50 * ms, 100 * ms, 150 * ms},
			hits:  []hits{{-1, 0}, {0, 0}, {1, 1}, {50 * ms, 1}, {50*ms + 1, 2}, {time.Second, 20}, {40 * time.Second, 800}},
			rate:  []speed{{-1, 0}, {0, 20}, {time.Hour, 20}},
		},
		"constant 3/s is rounded down, and does not drift": {
			pacer: pace.NewConstant(rate(t, "3/s")),
			due:   []time.Duration{0, 333333333, 666666666, time.Second, 1333333333},
			hits:  []hits{{333333333, 1}, {333333334, 2}, {time.Second, 3}, {time.Second + 1, 4}, {1000 * time.Hour, 10_800_000}},
		},
		"constant 1.5/s": {
			pacer: pace.NewConstant(rate(t, "1.5/s")),
			due:   []time.Duration{0, 666666666, 1333333333, 2 * time.Second},
			hits:  []hits{{10 * time.Second, 15}},
			rate:  []speed{{0, 1.5}},
		},
		"constant 90/m": {
			pacer: pace.NewConstant(rate(t, "90/m")),
			due:   []time.Duration{0, 666666666, 1333333333, 2 * time.Second},
			rate:  []speed{{0, 1.5}},
		},
		"constant none": {
			pacer: pace.NewConstant(pace.Rate{}),
			due:   []time.Duration{pace.Never},
			hits:  []hits{{time.Hour, 0}},
		},
		"step 2/s, pause, 4/s, end": {
			pacer: must(t)(pace.NewStep(
				pace.Stage{Rate: pace.PerSecond(2), For: time.Second},
				pace.Stage{For: time.Second},
				pace.Stage{Rate: pace.PerSecond(4), For: time.Second},
			)),
			due:  []time.Duration{0, 500 * ms, 2000 * ms, 2250 * ms, 2500 * ms, 2750 * ms, pace.Never, pace.Never},
			hits: []hits{{time.Second, 2}, {2 * time.Second, 2}, {2*time.Second + 1, 3}, {3 * time.Second, 6}, {time.Hour, 6}},
			rate: []speed{{0, 2}, {time.Second, 0}, {2 * time.Second, 4}, {3 * time.Second, 0}},
		},
		"step, each stage begins anew": {
			pacer: must(t)(pace.NewStep(
				pace.Stage{Rate: pace.PerSecond(1), For: 1500 * ms}, pace.Stage{Rate: pace.PerSecond(10)},
			)),
			due:  []time.Duration{0, 1000 * ms, 1500 * ms, 1600 * ms},
			hits: []hits{{1500 * ms, 2}, {2500 * ms, 12}},
			rate: []speed{{time.Hour, 10}},
		},
		// Λ = t²/2·10/2: 5t²/2 = n → t = √(2n/5)
		"ramp 0/s to 10/s over 2s": {
			pacer: must(t)(pace.NewRamp(pace.Rate{}, pace.PerSecond(10), 2*time.Second)),
			due:   []time.Duration{0, 632455532, 894427191, 1095445115, 1264911064, 1414213562, 1549193338, 1673320053, 1788854382, 1897366596, 2 * time.Second, 2100 * ms},
			hits:  []hits{{time.Second, 3}, {2 * time.Second, 10}, {2*time.Second + 1, 11}, {3 * time.Second, 20}},
			rate:  []speed{{0, 0}, {time.Second, 5}, {2 * time.Second, 10}, {time.Minute, 10}},
		},
		// k = -4: t = 2n/(8+√(64-8n)): n=1: 2/(8+√56), n=7: 14/(8+√8), n=8: 2 s; after that nothing
		"ramp 8/s down to none": {
			pacer: must(t)(pace.NewRamp(pace.PerSecond(8), pace.Rate{}, 2*time.Second)),
			due:   []time.Duration{0, 129171307, 267949192, 418861170, 585786438, 775255129, 1000 * ms, 1292893219, 2000 * ms, pace.Never},
			hits:  []hits{{time.Second, 6}, {2 * time.Second, 8}, {time.Hour, 9}},
			rate:  []speed{{1500 * ms, 2}},
		},
		"ramp that is flat": {
			pacer: must(t)(pace.NewRamp(pace.PerSecond(4), pace.PerSecond(4), time.Second)),
			due:   []time.Duration{0, 250 * ms, 500 * ms, 750 * ms, time.Second, 1250 * ms},
			hits:  []hits{{time.Second, 4}},
		},
		// M = A = 2π/s would be odd; with P = 2π s: Λ = t·M + A·(1 - cos t). With M = 10, A = 5 and half a period of 1 s:
		// Λ(0.5) = 5 + 5/π = 6.59, Λ(1) = 10 again after the other half: Λ(P/2) = M·P/2 + A·P/π.
		"sine 10/s ± 5/s every 2s": {
			pacer: must(t)(pace.NewSine(pace.PerSecond(10), pace.PerSecond(5), 2*time.Second, 0)),
			hits:  []hits{{time.Second, 14}, {2 * time.Second, 20}, {2*time.Second + 1, 21}, {4 * time.Second, 40}}, // 10 + 10/π = 13.18
			rate:  []speed{{0, 10}, {500 * ms, 15}, {time.Second, 10}, {1500 * ms, 5}},
		},
		"sine without a swing is constant": {
			pacer: must(t)(pace.NewSine(pace.PerSecond(4), pace.Rate{}, time.Second, 1)),
			due:   []time.Duration{0, 250 * ms, 500 * ms, 750 * ms, time.Second},
			hits:  []hits{{time.Second, 4}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for n, want := range c.due {
				require.Equal(t, want, c.pacer.Due(uint64(n)), "Due(%d)", n)
			}
			for _, h := range c.hits {
				require.Equal(t, h.want, c.pacer.Hits(h.until), "Hits(%s)", h.until)
			}
			for _, r := range c.rate {
				require.InDelta(t, r.want, c.pacer.Rate(r.at), 1e-9, "Rate(%s)", r.at)
			}
			require.NotEmpty(t, c.pacer.String())
		})
	}
}

// Hits and Due agree, and Due never decreases, whatever the schedule.
func TestHitsAgreesWithDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := func(name string) pace.Rate {
			return pace.Rate{Count: rapid.Uint64Range(0, 5000).Draw(t, name), Per: time.Duration(rapid.Int64Range(1e6, 6e10).Draw(t, name+" per"))}
		}
		span := time.Duration(rapid.Int64Range(1, 1e10).Draw(t, "span"))
		var p pace.Pacer
		var err error
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			p = pace.NewConstant(r("rate"))
		case 1:
			p, err = pace.NewStep(pace.Stage{Rate: r("first"), For: span}, pace.Stage{Rate: r("second")})
		case 2:
			p, err = pace.NewRamp(r("from"), r("to"), span)
		case 3:
			mean := r("mean")
			p, err = pace.NewSine(mean, pace.Rate{Count: mean.Count / 2, Per: mean.Per}, span, rapid.Float64Range(-4, 4).Draw(t, "phase"))
		case 4:
			p = pace.NewPoisson(pace.Rate{Count: rapid.Uint64Range(0, 1000).Draw(t, "rate"), Per: time.Second}, rapid.Uint64().Draw(t, "seed"), "x")
		}
		if err != nil {
			t.Fatal(err)
		}
		last := time.Duration(0)
		for n := range uint64(20) {
			due := p.Due(n)
			if due < last {
				t.Fatalf("%s: request %d is due at %s, before its predecessor at %s", p, n, due, last)
			}
			last = due
		}
		until := time.Duration(rapid.Int64Range(0, 2e9).Draw(t, "until"))
		hits := p.Hits(until)
		if hits > 0 && p.Due(hits-1) >= until || p.Due(hits) < until {
			t.Fatalf("%s: Hits(%s) = %d, but Due(%d) = %s and Due(%d) = %s", p, until, hits, hits-1, p.Due(hits-1), hits, p.Due(hits))
		}
	})
}

func TestPoisson(t *testing.T) {
	p := pace.NewPoisson(pace.PerSecond(100), 7, "readers")
	q := pace.NewPoisson(pace.PerSecond(100), 7, "readers")
	q.Due(5000) // the order of the questions does not matter
	for n := range uint64(5000) {
		require.Equal(t, q.Due(n), p.Due(n))
	}
	require.NotEqual(t, p.Due(0), pace.NewPoisson(pace.PerSecond(100), 7, "writers").Due(0))
	require.NotEqual(t, p.Due(0), pace.NewPoisson(pace.PerSecond(100), 8, "readers").Due(0))

	// Counts of seconds have mean and variance 100.
	var sum, squares float64
	const seconds = 2000
	for s := range seconds {
		n := float64(p.Hits(time.Duration(s+1)*time.Second) - p.Hits(time.Duration(s)*time.Second))
		sum += n
		squares += n * n
	}
	mean := sum / seconds
	require.InDelta(t, 100, mean, 4*math.Sqrt(100.0/seconds))
	require.InDelta(t, 100, squares/seconds-mean*mean, 4*math.Sqrt(2*100*100.0/seconds))
}

// Other programs may have stored what a seed gives: it must not change.
func TestStreamIsFixed(t *testing.T) {
	s := pace.Stream(1, "readers")
	require.Equal(t, []string{"517a3590da3fb6a5", "573a156dba6851d8"},
		[]string{fmt.Sprintf("%016x", s.Uint64()), fmt.Sprintf("%016x", s.Uint64())})
}

func TestWrongSchedules(t *testing.T) {
	for want, err := range map[string]error{
		"a stepped schedule needs a stage":                                      second(pace.NewStep()),
		"stage 1 of a stepped schedule needs a duration":                        second(pace.NewStep(pace.Stage{}, pace.Stage{})),
		"a ramp needs a duration greater than 0, not 0s":                        second(pace.NewRamp(pace.Rate{}, pace.Rate{}, 0)),
		"a sine needs a period greater than 0, not -1s":                         second(pace.NewSine(pace.Rate{}, pace.Rate{}, -time.Second, 0)),
		"the amplitude of a sine is at most its mean, and 2/s is more than 1/s": second(pace.NewSine(pace.PerSecond(1), pace.PerSecond(2), 1, 0)),
	} {
		require.EqualError(t, err, want)
	}
}

func second(_ pace.Pacer, err error) error { return err }
