package assert

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/stat"
)

// A check that runs beside its load decides as the check of the record does, at the same request, in whatever order answers come.
func TestRunning(t *testing.T) {
	for _, c := range []struct {
		check  string
		change func(*record.Run)
		want   stat.Decision
	}{
		{`{split: {load: l, want: {v1: 50, v2: 50}, tolerance: 40, sequential: true}}`, alternating(nil), stat.Pass},
		{`{split: {load: l, want: {v1: 10, v2: 90}, tolerance: 20, sequential: true}}`, nil, stat.Fail},
		{`{split: {load: l, by: status, want: {200: 50, 503: 50}, tolerance: 45, sequential: true}}`, alternating(unavailable), stat.Pass},
		{`{split: {load: l, by: "header:x", want: {a: 100}, tolerance: 40, sequential: true}}`, alternating(nil), stat.Fail},
		{`{rate: {load: l, status: 503, want: 0, tolerance: 30, sequential: true}}`, nil, stat.Pass},
		{`{rate: {load: l, success: true, want: 100, tolerance: 20, sequential: true}}`, alternating(unavailable), stat.Fail},
		{`{rate: {load: l, status: 503, want: 0, tolerance: 1, sequential: true}}`, nil, stat.Open},
	} {
		r := lab()
		r.Scenario.Spec.Checks = append(r.Scenario.Spec.Checks, check(t, c.check))
		if c.change != nil {
			c.change(r)
		}
		Judge(r, nowhere)
		require.Equal(t, map[stat.Decision]record.Verdict{stat.Pass: pass, stat.Fail: fail, stat.Open: open}[c.want], r.Checks[0].Verdict, c.check)

		running, err := NewRunning(&r.Scenario, &r.Scenario.Spec.Checks[0], 0)
		require.NoError(t, err)
		mixed := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a seeded stream, so that a failure repeats
		for _, i := range mixed.Perm(len(r.Results)) {
			running.Add(loadgen.Result{Load: "other", Seq: uint64(i)})
			running.Add(r.Results[i])
		}
		require.Equal(t, c.want, running.Decision(), c.check)
		if at := r.Checks[0].Test.DecidedAt; at > 0 {
			require.Equal(t, at, running.Taken(), c.check)
		}
	}
}

// Answers wait for those that were due earlier: the quick ones alone are no sample.
func TestRunningWaits(t *testing.T) {
	r := lab()
	c := check(t, `{rate: {load: l, status: 503, want: 0, tolerance: 30, sequential: true}}`)
	running, err := NewRunning(&r.Scenario, &c, 10)
	require.NoError(t, err)
	for _, res := range r.Results[11:] {
		require.Equal(t, stat.Open, running.Add(res))
	}
	require.Equal(t, stat.Open, running.Add(r.Results[9]), "it was due before the phase")
	require.Zero(t, running.Taken())
	require.Equal(t, stat.Pass, running.Add(r.Results[10]))
	require.Less(t, running.Taken(), 40)
}

func TestRunningRefuses(t *testing.T) {
	r := lab()
	for text, want := range map[string]string{
		`{split: {load: l, want: {v1: 100}, tolerance: 5}}`:                                     "only a sequential",
		`{load: l, success: "100%"}`:                                                            "only a sequential",
		`{split: {load: l, by: a.version, want: {v1: 100}, tolerance: 5, sequential: true}}`:    "logs",
		`{split: {load: l, by: nothing, want: {v1: 100}, tolerance: 5, sequential: true}}`:      "tells nothing apart",
		`{rate: {load: l, from: a, to: b, flags: DI, want: 0, tolerance: 5, sequential: true}}`: "logs",
	} {
		c := check(t, text)
		_, err := NewRunning(&r.Scenario, &c, 0)
		require.ErrorContains(t, err, want, text)
	}
}
