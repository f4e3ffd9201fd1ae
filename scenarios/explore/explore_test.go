package explore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/explore"
	"github.com/squallmesh/squall/scenarios/record"
)

// toy is a shop whose front calls a and b. Its check fails if a is delayed by at least two seconds while b's calls are aborted, at the same
// time; or if b is paused for more than three seconds.
func toy(_ context.Context, faults []explore.Fault) (*record.Run, error) {
	run := &record.Run{Verdict: record.Pass, Checks: []record.Result{{Name: "well", Verdict: record.Pass}}}
	for i, name := range []string{"front", "a", "b", "unused"} {
		run.Workloads = append(run.Workloads, record.Workload{Name: name + "-0", Owner: name, Address: fmt.Sprintf("127.16.%d.1", i), Proxy: name})
	}
	flags := map[string][]string{}
	bad := false
	var slow, gone *explore.Fault
	for i, f := range faults {
		switch {
		case f.Kind == explore.Delay && f.To == "a" && f.Size >= 2*time.Second:
			slow, flags["a"] = &faults[i], []string{"DI"}
		case f.Kind == explore.Abort && f.To == "b":
			gone, flags["b"] = &faults[i], []string{"FI"}
		case f.Kind == explore.Pause && f.To == "b":
			bad = bad || f.For > 3*time.Second
		}
	}
	bad = bad || slow != nil && gone != nil && slow.At < gone.At+gone.For && gone.At < slow.At+slow.For
	for i, to := range []string{"a", "b"} {
		run.Hops = append(run.Hops, telemetry.Hop{
			Proxy: "front", Workload: "front-0", Cluster: "outbound|80||" + to + ".default.svc.cluster.local", Status: 200, Flags: flags[to],
			UpstreamAddress: fmt.Sprintf("127.16.%d.1:80", i+1), TraceID: "t",
		})
	}
	if bad {
		run.Verdict, run.Checks[0].Verdict, run.Checks[0].Reason = record.Fail, record.Fail, "not well"
	}
	return run, nil
}

func options() explore.Options {
	return explore.Options{
		Run: toy, Seed: 1, Runs: 2000, Findings: 2, Faults: 2, Kinds: explore.Kinds(), To: 10 * time.Second, Longest: 7 * time.Second,
		Progress: func(string, ...any) {},
	}
}

func TestWhatBreaksIsFoundAndShrunk(t *testing.T) {
	r, err := explore.Search(t.Context(), options())
	require.NoError(t, err)
	require.Len(t, r.Findings, 2)
	require.Equal(t, 1, r.Pruned, "nobody calls the fourth workload")

	one := r.Findings[0]
	require.Len(t, one.Faults, 1)
	require.Equal(t, "pause b, from 0s on for 3.1s", one.Least[0].String())
	require.Equal(t, "pause b, from 0s on for 5s", one.Faults[0].String(), "with a margin")
	require.Equal(t, "not well", one.Failed[0].Reason)

	pair := r.Findings[1]
	require.Len(t, pair.Least, 2)
	for _, f := range pair.Least {
		require.Equal(t, 100*time.Millisecond, f.For)
		require.Contains(t, []time.Duration{0, 2 * time.Second}, f.Size)
	}
	require.Contains(t, strings.Join(pair.Evidence, "\n"), "front-0 → a: status 200, flags DI (1 times)")
}

func TestTheSameSeedFindsTheSame(t *testing.T) {
	o := options()
	want, err := explore.Search(t.Context(), o)
	require.NoError(t, err)
	for _, n := range []int{2, 7} {
		o.Parallel = n
		got, err := explore.Search(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestABoundIsABound(t *testing.T) {
	o := options()
	o.Kinds, o.Runs = []explore.Kind{explore.Latency}, 20
	r, err := explore.Search(t.Context(), o)
	require.NoError(t, err)
	require.Empty(t, r.Findings)
	require.LessOrEqual(t, r.Runs, 20)
	require.True(t, r.Spent)
}

func TestAScenarioMustPassByItself(t *testing.T) {
	o := options()
	o.Run = func(context.Context, []explore.Fault) (*record.Run, error) {
		return &record.Run{Verdict: record.Inconclusive, Reason: "no data"}, nil
	}
	_, err := explore.Search(t.Context(), o)
	require.ErrorIs(t, err, explore.ErrBase)
	require.ErrorContains(t, err, "no data")
}

func TestWrite(t *testing.T) {
	const source = "# mine\nkind: Scenario\nmetadata: {name: x}\nspec:\n  app: bookinfo\n  config: [rules/a.yaml, {kind: Inline}]\n  timeline:\n    - {at: 3s, apply: [b.yaml]}\n  checks: []\n"
	found := explore.Finding{
		Faults: []explore.Fault{{Kind: explore.Delay, To: "ratings", Size: 3 * time.Second, For: time.Second, Percent: 50}},
		Failed: []record.Result{{Name: "stars", Reason: "none"}},
	}
	out, err := explore.Write([]byte(source), "x-found-1", found, explore.Relocation("shop", "out/x"))
	require.NoError(t, err)
	for _, want := range []string{
		"name: x-found-1", "../../shop/rules/a.yaml", "../../shop/b.yaml", "#   stars: none",
		"# Found: delay 50 % of the calls to ratings by 3s, from 0s on for 1s.",
		"- {at: 0s, for: 1s, fault: {delay: {to: ratings, fixed: 3s, percent: 50}}}",
	} {
		require.Contains(t, string(out), want)
	}
	require.Less(t, strings.Index(string(out), "at: 0s"), strings.Index(string(out), "at: 3s"), "in the order of a story")
	require.Contains(t, string(out), "app: bookinfo\n", "a built-in app is no file")
}
