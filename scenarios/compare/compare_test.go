package compare_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/scenarios/compare"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// run makes a run of n requests whose latencies spread evenly from 10 ms to 20 ms times slow, of which every failEvery-th fails.
func run(n int, slow float64, failEvery int) *record.Run {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := &record.Run{Start: start, Phases: []record.Phase{{Name: "all", To: time.Hour}}, Verdict: record.Pass}
	r.Scenario.Spec.Load = []spec.Load{{Name: "readers"}}
	for i := range n {
		at := start.Add(time.Duration(i) * time.Millisecond)
		took := time.Duration(slow * float64(10*time.Millisecond+time.Duration(i*7%n)*10*time.Millisecond/time.Duration(n)))
		res := loadgen.Result{Load: "readers", Scheduled: at, Sent: at, End: at.Add(took), Status: 200}
		if failEvery > 0 && i%failEvery == 0 {
			res.Status = 503
		}
		r.Results = append(r.Results, res)
	}
	return r
}

func changes(c compare.Comparison) map[string]compare.Change {
	out := map[string]compare.Change{}
	for _, r := range c.Rows {
		out[r.Measure] = r.Change
	}
	return out
}

func TestRuns(t *testing.T) {
	const n = 5000
	same := compare.Runs(run(n, 1, 0), run(n, 1, 0))
	require.Equal(t, map[string]compare.Change{"success": compare.Same, "p50": compare.Same, "p95": compare.Same, "p99": compare.Same}, changes(same))
	require.Empty(t, same.Regression())

	slower := compare.Runs(run(n, 1, 0), run(n, 2, 0))
	require.Equal(t, compare.Worse, changes(slower)["p50"])
	require.Equal(t, compare.Same, changes(slower)["success"])
	require.Regexp(t, `^p50 of readers in phase all was 15(\.\d+)?ms and is 30(\.\d+)?ms \(1\.\d+ to 2\.\d+ times\)$`, slower.Regression())
	require.Equal(t, compare.Better, changes(compare.Runs(run(n, 2, 0), run(n, 1, 0)))["p99"])

	failing := compare.Runs(run(n, 1, 0), run(n, 1, 20))
	require.Equal(t, compare.Worse, changes(failing)["success"])
	require.Contains(t, failing.Regression(), "was 100.00% and is 95.00%")

	few := compare.Runs(run(20, 1, 0), run(20, 1, 7))
	require.Equal(t, compare.Unknown, changes(few)["success"], "twenty requests show nothing")
	require.Empty(t, few.Regression())

	tiny := compare.Runs(run(n, 0.1, 0), run(n, 0.2, 0))
	require.Equal(t, compare.Same, changes(tiny)["p50"], "a millisecond more is no regression, however sure it is")
}

func TestAWorseVerdictIsARegression(t *testing.T) {
	before, after := run(10, 1, 0), run(10, 1, 0)
	before.Checks = []record.Result{{Name: "stars", Verdict: record.Pass}}
	after.Checks = []record.Result{{Name: "stars", Verdict: record.Fail}, {Name: "new", Verdict: record.Pass}}
	after.Verdict = record.Fail
	c := compare.Runs(before, after)
	require.Equal(t, "the verdict was pass and is fail", c.Regression())
	require.Equal(t, []compare.Check{{"stars", record.Pass, record.Fail}, {"new", record.Inconclusive, record.Pass}}, c.Checks)
}
