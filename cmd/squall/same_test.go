package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/scenarios/record"
)

// exactly are the scenarios in which all but what chance lists is the same whenever they run.
var exactly = []string{"breakers", "retries", "retry-timeouts", "retry-budget", "ejection", "panic", "load-balancing", "locality", "mirroring", "grpc", "authorization", "jwt"}

// chance has the phases in which proxies draw what happens, with what they draw.
var chance = map[string]string{
	"load-balancing busy":         "the two hosts of which least request takes one",
	"mirroring half":              "which half of the requests is copied",
	"retry-timeouts one-host-bad": "whether a second try meets the bad host again",
}

// TestTheModelDoesWhatEnvoyDoes runs the exact scenarios with Envoys and without, and compares them phase by phase: the statuses that each
// load got, the statuses and flags that each proxy logged, and the counters of the proxies that the checks look at. A figure may differ by one
// for each edge of its phase, and by the requests that were due while the phase went on in one of them only: an item takes its time.
func TestTheModelDoesWhatEnvoyDoes(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "sq") //nolint:usetesting // sockets need short paths
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e := osEnvironment()
	e.stdout, e.stderr, e.terminal, e.tempDir = io.Discard, io.Discard, false, dir
	b, err := findEnvoy(t.Context(), e, "")
	if err != nil {
		t.Skipf("there is no Envoy to compare the model with: %v", err)
	}
	e.self = program(t)
	var jobs []job
	for _, name := range exactly {
		j, problems := loadScenario(e, filepath.Join("..", "..", "scenarios", "catalog", name, "scenario.yaml"))
		require.NoError(t, problems.Err())
		j.file = j.file.Variants()[0] // profile exact
		jobs = append(jobs, j)
	}
	none := func(job, *record.Run) error { return nil }
	simulated, err := runJobs(t.Context(), e, runFlags{sim: true, seed: 1, parallel: 2}, b, jobs, none)
	require.NoError(t, err)
	lived, err := runJobs(t.Context(), e, runFlags{form: platform.Loopback, seed: 1}, b, jobs, none)
	require.NoError(t, err)
	for i, name := range exactly {
		t.Run(name, func(t *testing.T) {
			live, sim := lived[i], simulated[i]
			if live.Verdict == record.Inconclusive {
				t.Skipf("the live run says nothing: %s", live.Reason)
			}
			require.Equal(t, record.Pass, live.Verdict, live.Reason)
			a, b := shown(live, sim), shown(sim, live)
			require.Greater(t, len(a), 3)
			between, edges := edgesOf(live, sim), 0
			for _, key := range slices.Sorted(maps.Keys(merged(a, b))) {
				phase, _, _ := strings.Cut(key, ":")
				switch d := max(a[key], b[key]) - min(a[key], b[key]); {
				case d == 0:
				case d <= 2+between[phase]: // where round robin begins is drawn, and a request at either edge of a phase falls to either side
					edges++
				default:
					t.Errorf("%s: %d with Envoy, %d in the model", key, a[key], b[key])
				}
			}
			t.Logf("%d figures compared, %d differ at the edges", len(merged(a, b)), edges)
		})
	}
}

// edgesOf counts, for each phase, the requests that were due while only one of two runs was in it.
func edgesOf(a, b *record.Run) map[string]uint64 {
	out := map[string]uint64{}
	for _, p := range a.Phases {
		q, ok := b.Phase(p.Name)
		if !ok {
			continue
		}
		for _, res := range a.Results {
			at := res.Scheduled.Sub(a.Start)
			if (at >= p.From && at < p.To) != (at >= q.From && at < q.To) {
				out[p.Name]++
			}
		}
	}
	return out
}

func merged(a, b map[string]uint64) map[string]uint64 {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// shown counts what a run showed in each phase of its timeline, of that which is to be the same: no times, no choices of a balancer, and not
// when connections were opened.
func shown(run, other *record.Run) map[string]uint64 {
	out := map[string]uint64{}
	judged := func(phase string) bool {
		_, drawn := chance[run.Scenario.Metadata.Name+" "+phase]
		return !drawn && !slices.Contains([]string{"all", "before", "after"}, phase)
	}
	phase := map[string]string{} // by trace
	for _, res := range run.Results {
		at := res.Scheduled.Sub(run.Start)
		for _, p := range run.Phases {
			if judged(p.Name) && at >= p.From && at < p.To {
				phase[res.TraceID] = p.Name
				out[fmt.Sprintf("%s: load %s: status %d", p.Name, res.Load, res.Status)]++
			}
		}
	}
	for _, h := range run.Hops {
		if name, ok := phase[h.TraceID]; ok && strings.HasPrefix(h.Cluster, "outbound|") {
			out[fmt.Sprintf("%s: %s: status %d flags %s attempts %d", name, h.Cluster, h.Status, h.FlagString(), h.Attempts)]++
		}
	}
	for p, proxies := range run.Counters {
		for proxy, window := range proxies {
			theirs := other.Counters[p][proxy]
			for name, end := range window.End {
				if _, counted := theirs.End[name]; counted && judged(p) && !opening.MatchString(name) && strings.HasPrefix(name, "cluster.outbound|") {
					out[fmt.Sprintf("%s: %s counts %s", p, proxy, name)] = end - window.Begin[name]
				}
			}
		}
	}
	return out
}

// opening are counters of connections, which are opened when they are needed: a moment decides how many.
var opening = regexp.MustCompile(`;\.upstream_(cx_|rq_pending_total)`)
