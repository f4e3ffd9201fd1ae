package assert

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
	"github.com/squallmesh/squall/scenarios/stat"
)

func TestJudge(t *testing.T) {
	const good, bad, unknown = `{name: good, load: l, success: "100%"}`, `{name: bad, load: l, success: "0%"}`, `{name: unknown, phase: quiet, load: l, success: "100%"}`
	gap := func(r *record.Run) { r.Gaps = []string{"the log lacks 3 requests"} }
	missing := func(r *record.Run) { r.Events = []record.Event{{Kind: "fault", Missing: "no call was delayed"}} }
	behind := func(r *record.Run) { r.Loads[0].Behind, r.Loads[0].Reason = true, "5 requests were late" }
	// The load, planned for 1 s, follows an item planned for half a second before it.
	follows := func(effective time.Duration) func(*record.Run) {
		return func(r *record.Run) {
			r.Scenario.Spec.Load = []spec.Load{{Name: "l", At: spec.Duration(time.Second)}}
			r.Scenario.Spec.Timeline = []spec.Item{{At: spec.Duration(500 * time.Millisecond)}}
			r.Events = []record.Event{{What: "v1 answers 503", At: effective}}
			r.Phases = append(r.Phases, record.Phase{Name: "first", To: 400 * time.Millisecond})
		}
	}
	strain := func(waited time.Duration) func(*record.Run) {
		return func(r *record.Run) {
			r.Scenario.Spec.Envoy.Profile = "exact"
			r.Strains = []record.Strain{{From: 300 * time.Millisecond, To: 400 * time.Millisecond, Who: "v1", Waited: waited}}
			r.Phases = append(r.Phases, record.Phase{Name: "first", To: 250 * time.Millisecond}, record.Phase{Name: "last", From: 500 * time.Millisecond, To: time.Second})
		}
	}
	// An item of which the load knows nothing takes a while; the next one was planned for some time after it.
	slow := func(took, gap time.Duration) func(*record.Run) {
		return func(r *record.Run) {
			at := func(d time.Duration) spec.Item { return spec.Item{At: spec.Duration(d)} }
			r.Scenario.Spec.Timeline = []spec.Item{at(200*time.Millisecond + gap), at(200 * time.Millisecond)}
			r.Events = []record.Event{{What: "phase warm", At: 200*time.Millisecond + took}, {What: "scale v2 to 2", At: 200*time.Millisecond + took, Took: took}}
			r.Phases = append(r.Phases, record.Phase{Name: "first", To: 200*time.Millisecond + gap})
		}
	}
	const long = `"scale v2 to 2" took 700ms to be effective, and what follows it was due after 500ms; leave more time between them, or use a faster machine or platform`
	const late = `load l began at 1s, when "v1 answers 503", due 500ms earlier, had not taken effect: it came 600ms late; leave more time between them, or use a faster machine`
	for _, c := range []struct {
		name   string
		checks []string
		change func(*record.Run)
		want   record.Verdict
		reason string
	}{
		{"a load after what it follows", []string{bad}, follows(900 * time.Millisecond), fail, "bad: success is 100%, wanted == 0%"},
		{"a load before what it should follow", []string{good}, follows(1100 * time.Millisecond), open, "good: " + late},
		{"a load before what it should follow, and a fail", []string{bad}, follows(1100 * time.Millisecond), open, "bad: " + late + " (otherwise: success is 100%, wanted == 0%)"},
		{"a load before what it should follow, and a fail of what was before both", []string{`{name: early, phase: first, load: l, success: "0%"}`}, follows(1100 * time.Millisecond), fail, "early: success is 100%, wanted == 0%"},
		{"an item that is effective before the next is due", []string{good}, slow(400*time.Millisecond, 500*time.Millisecond), pass, "all 1 checks hold"},
		{"an item that is not", []string{good}, slow(700*time.Millisecond, 500*time.Millisecond), open, "good: " + long},
		{"an item that is not, and a fail", []string{bad}, slow(700*time.Millisecond, 500*time.Millisecond), open, "bad: " + long + " (otherwise: success is 100%, wanted == 0%)"},
		{"an item that is not, and a fail before the next was due", []string{`{name: early, phase: first, load: l, success: "0%"}`}, slow(700*time.Millisecond, 500*time.Millisecond), fail, "early: success is 100%, wanted == 0%"},
		{"an item that the next one follows at once", []string{bad}, slow(700*time.Millisecond, 50*time.Millisecond), fail, "bad: success is 100%, wanted == 0%"},
		{"a machine under strain", []string{good}, strain(110 * time.Millisecond), pass, "all 1 checks hold"},
		{"a machine under strain, and a fail", []string{bad}, strain(110 * time.Millisecond), open, "bad: the machine was too busy to tell: at 300ms v1 was ready to run and had no processor for 110ms of 100ms; use a calmer machine, or run fewer meshes side by side (otherwise: success is 100%, wanted == 0%)"},
		{"a fail before the strain", []string{`{name: early, phase: first, load: l, success: "0%"}`}, strain(110 * time.Millisecond), fail, "early: success is 100%, wanted == 0%"},
		{"a fail after the strain", []string{`{name: later, phase: last, load: l, success: "0%"}`}, strain(110 * time.Millisecond), fail, "later: success is 100%, wanted == 0%"},
		{"a machine under strain, and a fail of what is not exact", []string{bad}, func(r *record.Run) { strain(110 * time.Millisecond)(r); r.Scenario.Spec.Envoy.Profile = "istio" }, fail, "bad: success is 100%, wanted == 0%"},
		{"a fail before the strain, of a request that went on into it", []string{`{name: early, phase: first, load: l, success: "0%"}`}, func(r *record.Run) {
			strain(110 * time.Millisecond)(r)
			r.Results[0].End = r.Start.Add(350 * time.Millisecond)
		}, open, "early: the machine was too busy to tell: at 300ms v1 was ready to run and had no processor for 110ms of 100ms; use a calmer machine, or run fewer meshes side by side (otherwise: success is 100%, wanted == 0%)"},
		{"requests that the end of the run cut off", []string{good}, func(r *record.Run) {
			for i := range 3 {
				cut := r.Results[i]
				cut.Status, cut.Err = 0, loadgen.ErrCanceled
				r.Results = append(r.Results, cut)
			}
		}, pass, "all 1 checks hold"},
		{"a machine that is busy, but not too much", []string{bad}, strain(90 * time.Millisecond), fail, "bad: success is 100%, wanted == 0%"},
		{"all hold", []string{good, good}, nil, pass, "all 2 checks hold"},
		{"a fail wins", []string{good, unknown, bad, unknown}, nil, fail, "bad: success is 100%, wanted == 0%"},
		{"inconclusive wins over a pass", []string{good, unknown}, nil, open, "unknown: load l sent nothing in phase quiet"},
		{"nothing to check", nil, nil, open, "nothing was checked"},
		{"a gap", []string{good}, gap, open, "good: the log lacks 3 requests"},
		{"a gap and a fail", []string{bad}, gap, open, "bad: the log lacks 3 requests (otherwise: success is 100%, wanted == 0%)"},
		{"a fault without evidence", []string{good}, missing, open, "good: no call was delayed"},
		{"a fault without evidence, and a fail", []string{good, bad}, missing, fail, "bad: success is 100%, wanted == 0%"},
		{"a load that is behind", []string{good}, behind, open, "good: load l: 5 requests were late"},
		{"a load that is behind, and a fail", []string{bad}, behind, open, "bad: load l: 5 requests were late (otherwise: success is 100%, wanted == 0%)"},
		{"results that are lost", []string{good, bad}, func(r *record.Run) { r.Results = r.Results[1:] }, open, "good: load l: of 100 requests that were sent 1 are not in the record"},
		{"a load that never ran", []string{good}, func(r *record.Run) { r.Loads = nil }, open, "good: not every load ran"},
		{"a guard rail", []string{good}, func(r *record.Run) { r.Aborted = "success fell" }, fail, "success fell"},
		{"the lab broke", []string{good}, func(r *record.Run) { r.Broken = "an Envoy ended" }, record.Error, "an Envoy ended"},
		{"the lab broke, worse than all", []string{bad}, func(r *record.Run) { r.Broken, r.Aborted = "an Envoy ended", "success fell" }, record.Error, "an Envoy ended"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := lab()
			for _, text := range c.checks {
				r.Scenario.Spec.Checks = append(r.Scenario.Spec.Checks, check(t, text))
			}
			if c.change != nil {
				c.change(r)
			}
			for range 2 { // judging again changes nothing
				Judge(r, nowhere)
				require.Equal(t, c.want, r.Verdict)
				require.Equal(t, c.reason, r.Reason)
				require.Len(t, r.Checks, len(c.checks))
				require.Equal(t, strings.Contains(c.reason, "machine") && c.want == open, slices.ContainsFunc(r.Checks, func(c record.Result) bool { return c.Busy }))
			}
		})
	}
}

func TestResultsSayWhere(t *testing.T) {
	r := lab()
	r.Scenario.Spec.Checks = []spec.Check{check(t, `{load: l, success: "100%"}`), check(t, `{phase: mid, trace: {root: gw}}`)}
	Judge(r, func(path string) diag.Pos { return diag.Pos{File: path, Line: 1} })
	require.Equal(t, record.Result{
		Name: "load", Pos: diag.Pos{File: "spec.checks[0]", Line: 1}, Verdict: record.Pass, Reason: "success is 100%, wanted == 100%",
		Measured: "success 100%", Want: "success == 100%", Samples: 100,
	}, r.Checks[0])
	require.Equal(t, "trace mid", r.Checks[1].Name)
	require.Equal(t, "spec.checks[1]", r.Checks[1].Pos.File)
	require.Equal(t, 20, r.Checks[1].Samples)
}

func TestWorse(t *testing.T) {
	order := []record.Verdict{record.Pass, record.Inconclusive, record.Fail, record.Error}
	for i, a := range order {
		for j, b := range order {
			require.Equal(t, order[max(i, j)], worse(a, b))
		}
	}
}

// A result carries what its check declares and measured, and a run their sum; the scenario's own errors are divided.
func TestResultsCarryTheirErrors(t *testing.T) {
	r := lab()
	r.Scenario.Spec.Errors = &spec.Errors{FalsePass: 0.05, FalseFail: 0.004}
	r.Scenario.Spec.Checks = []spec.Check{
		check(t, `{split: {load: l, want: {v1: 50, v2: 50}, tolerance: 30, falsePass: 0.01}}`),
		check(t, `{rate: {load: l, status: 503, want: 0, tolerance: 30, sequential: true}}`),
		check(t, `{quantile: {load: l, q: 0.5, below: 1s, falseInconclusive: 0.1}}`),
		check(t, `{phase: quiet, amplification: {load: l, to: a, want: 1, tolerance: 1, max: 3, falseFail: 0.001}}`),
		check(t, `{load: l, success: "100%"}`),
		check(t, `{phase: never, rate: {load: l, status: 503, want: 0, tolerance: 30, falsePass: 0.001, falseFail: 0.00001}}`),
	}
	Judge(r, nowhere)
	at := func(i int) stat.Errors { return r.Checks[i].Test.Errors }
	require.InDelta(t, 0.01, at(0).FalsePass, 1e-12)
	for _, i := range []int{1, 2, 3} {
		require.InDelta(t, 0.039/3, at(i).FalsePass, 1e-12)
	}
	for _, i := range []int{0, 1, 2} {
		require.InDelta(t, 0.00299/3, at(i).FalseFail, 1e-12)
	}
	require.InDelta(t, stat.DefaultFalseInconclusive, at(0).FalseInconclusive, 1e-12)
	require.InDelta(t, 0.1, at(2).FalseInconclusive, 1e-12)
	require.Nil(t, r.Checks[4].Test)

	sum, checks := r.Errors()
	require.Equal(t, 5, checks, "also one whose phase never came")
	require.InDelta(t, 0.05, sum.FalsePass, 1e-12)
	require.InDelta(t, 0.004, sum.FalseFail, 1e-12)

	require.Equal(t, record.Pass, r.Checks[1].Verdict, r.Checks[1].Reason)
	require.Equal(t, r.Checks[1].Samples, r.Checks[1].Test.DecidedAt)
	require.Less(t, r.Checks[1].Test.DecidedAt, 50, "it ended early")
	require.Positive(t, r.Checks[1].Test.Needed)
	require.Zero(t, r.Checks[0].Test.DecidedAt)
	require.Equal(t, 1., *r.Checks[0].Test.Intervals[0].Value/100)
	require.Len(t, r.Checks[0].Test.Intervals, 2)
	require.Equal(t, "s", r.Checks[2].Test.Intervals[0].Unit)
	require.InDelta(t, 0.05, *r.Checks[2].Test.Intervals[0].Value, 1e-9)
	require.NotNil(t, r.Checks[3].Test, "also without evidence")

	data, err := json.Marshal(r.Checks)
	require.NoError(t, err)
	var again []record.Result
	require.NoError(t, json.Unmarshal(data, &again))
	require.Equal(t, r.Checks, again)
}
