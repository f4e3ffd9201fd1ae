package validate_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
	"github.com/squallmesh/squall/scenarios/validate"
)

func figures(list []validate.Figure) map[string]float64 {
	out := map[string]float64{}
	for _, f := range list {
		out[f.Name] = f.Value
	}
	return out
}

// A run of 100 requests, the nth of which took n ms, two of them failed, and one was tried three times. What came before t = 0 is not judged.
func TestWhatARunShows(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	run := &record.Run{Start: start, Scenario: spec.Scenario{Spec: spec.Spec{Load: []spec.Load{{Name: "l"}}}}}
	for n := range 100 {
		at := start.Add(time.Duration(n) * time.Millisecond)
		status := 200
		if n < 2 {
			status = 503
		}
		run.Results = append(run.Results, loadgen.Result{Load: "l", Scheduled: at, Sent: at.Add(time.Hour), End: at.Add(time.Duration(n+1) * time.Millisecond), Status: status, TraceID: "a"})
	}
	run.Results = append(run.Results, loadgen.Result{Load: "l", Scheduled: start.Add(-1), End: start.Add(time.Minute), TraceID: "early"})
	run.Hops = []telemetry.Hop{{TraceID: "a", Attempts: 3}, {TraceID: "a", Attempts: 1}, {TraceID: "early", Attempts: 9}}
	run.Ejections = []record.Ejection{{From: time.Second}, {From: -time.Second}}
	require.Equal(t, map[string]float64{"l p50": .05, "l p99": .099, "l errors": 2, "retries": 2, "ejections": 1}, figures(validate.Measure(run)))
}

func TestHowFarOffIsAllowed(t *testing.T) {
	of := func(latency, share, count float64) []validate.Figure {
		return []validate.Figure{
			{Name: "p50", Kind: validate.Latency, Value: latency}, {Name: "errors", Kind: validate.Share, Value: share}, {Name: "retries", Kind: validate.Count, Value: count},
		}
	}
	within := func(live [][]validate.Figure, simulated []validate.Figure) (out []bool) {
		rows, err := validate.Compare(live, [][]validate.Figure{simulated})
		require.NoError(t, err)
		for _, r := range rows {
			out = append(out, r.Within)
		}
		return out
	}
	calm := [][]validate.Figure{of(.1, 10, 100), of(.1, 10, 100), of(.1, 10, 100)}
	require.Equal(t, []bool{true, true, true}, within(calm, of(.1049, 10.9, 104)))
	require.Equal(t, []bool{false, false, false}, within(calm, of(.1051, 11.1, 106)))
	require.Equal(t, []bool{false, false, false}, within(calm, of(.0949, 8.9, 94)), "too little is off as well")
	// The standard deviation of 80, 100 and 120 ms is 20 ms: twice that is more than 5 %. Shares and counts have no such excuse.
	restless := [][]validate.Figure{of(.08, 8, 80), of(.1, 10, 100), of(.12, 12, 120)}
	require.Equal(t, []bool{true, true, true}, within(restless, of(.139, 10, 100)))
	require.Equal(t, []bool{false, false, false}, within(restless, of(.141, 11.5, 110)))
}

func TestMediansAreCompared(t *testing.T) {
	of := func(values ...float64) (out [][]validate.Figure) {
		for _, v := range values {
			out = append(out, []validate.Figure{{Name: "p50", Kind: validate.Latency, Value: v}})
		}
		return out
	}
	rows, err := validate.Compare(of(1, 9, 2, 3), of(4, 1, 2))
	require.NoError(t, err)
	require.Equal(t, 2.5, rows[0].Live)
	require.Equal(t, 2., rows[0].Simulated)
	require.InDelta(t, -.2, rows[0].Error(), 1e-9)
	rows, err = validate.Compare(of(math.NaN(), 1), of(1))
	require.NoError(t, err)
	require.False(t, rows[0].Within, "what nobody saw is not within anything")
	_, err = validate.Compare(of(1), of(1))
	require.ErrorContains(t, err, "two live ones")
}

func TestWhatNeverHappensIsNoFigure(t *testing.T) {
	none := []validate.Figure{{Name: "retries", Kind: validate.Count}, {Name: "errors", Kind: validate.Share}}
	rows, err := validate.Compare([][]validate.Figure{none, none}, [][]validate.Figure{none})
	require.NoError(t, err)
	require.Empty(t, rows)
	some := []validate.Figure{{Name: "retries", Kind: validate.Count, Value: 1}, {Name: "errors", Kind: validate.Share, Value: 2}}
	rows, err = validate.Compare([][]validate.Figure{none, none}, [][]validate.Figure{some})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.False(t, rows[0].Within)
	require.False(t, rows[1].Within)
}
