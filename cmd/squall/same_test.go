package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/scenarios/record"
)

// exactly are the scenarios whose outcome does not depend on chance.
var exactly = []string{"breakers", "retries", "retry-timeouts", "retry-budget", "ejection", "panic", "load-balancing", "locality", "mirroring"}

// TestTheModelDoesWhatEnvoyDoes runs the exact scenarios with Envoys and without, and compares them phase by phase: the statuses that each
// load got, the statuses and flags that each proxy logged, and the counters of the proxies that the checks look at.
func TestTheModelDoesWhatEnvoyDoes(t *testing.T) {
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	if _, err := envoy.Find(t.Context(), envoy.FindOptions{Path: os.Getenv("PATH"), CacheDir: filepath.Join(cache, "squall")}); err != nil {
		t.Skipf("there is no Envoy to compare the model with: %v", err)
	}
	dir, err := os.MkdirTemp("", "sq") //nolint:usetesting // sockets need short paths
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "squall")
	runs := func(ctx context.Context, out string, args ...string) {
		for _, name := range exactly {
			args = append(args, filepath.Join("..", "..", "scenarios", "catalog", name, "scenario.yaml"))
		}
		c := exec.CommandContext(ctx, program, append([]string{"run", "--seed", "1", "--out", filepath.Join(dir, out)}, args...)...)
		c.Env = append(os.Environ(), "TMPDIR="+dir)
		text, err := c.CombinedOutput()
		if code := c.ProcessState.ExitCode(); err != nil && code != exitInconclusive && code != exitFail {
			t.Fatalf("%s: %v\n%s", out, err, text)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	text, err := build.CombinedOutput()
	require.NoError(t, err, "%s", text)
	runs(t.Context(), "sim", "--sim", "--parallel", "2")
	runs(t.Context(), "live")
	for _, name := range exactly {
		t.Run(name, func(t *testing.T) {
			live, sim := readRun(t, filepath.Join(dir, "live", name)), readRun(t, filepath.Join(dir, "sim", name))
			if live.Verdict == record.Inconclusive {
				t.Skipf("the machine was too busy for the live run: %s", live.Reason)
			}
			require.Equal(t, record.Pass, live.Verdict, live.Reason)
			a, b := shown(live, sim), shown(sim, live)
			for _, key := range slices.Sorted(maps.Keys(merged(a, b))) {
				if a[key] != b[key] {
					t.Errorf("%s: %d with Envoy, %d in the model", key, a[key], b[key])
				}
			}
			t.Logf("%d figures compared", len(merged(a, b)))
		})
	}
}

func merged(a, b map[string]uint64) map[string]uint64 {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func readRun(t *testing.T, dir string) *record.Run {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, recordName))
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	run, _, err := record.Read(f)
	require.NoError(t, err)
	return run
}

// shown counts what a run showed in each phase, of that which is to be the same: no times, no addresses, no choices of a balancer.
func shown(run, other *record.Run) map[string]uint64 {
	out := map[string]uint64{}
	phase := map[string]string{} // by trace
	for _, res := range run.Results {
		at := res.Scheduled.Sub(run.Start)
		for _, p := range run.Phases {
			if p.Name != "all" && at >= p.From && at < p.To {
				phase[res.TraceID] = p.Name
				out[fmt.Sprintf("%s: load %s: status %d", p.Name, res.Load, res.Status)]++
			}
		}
	}
	for _, h := range run.Hops {
		if name, ok := phase[h.TraceID]; ok {
			w, _ := run.WorkloadOf(h.Proxy)
			out[fmt.Sprintf("%s: %s at %s: status %d flags %s attempts %d", name, cmp.Or(h.Cluster, "-"), anyInstance(h.Cluster, w), h.Status, h.FlagString(), h.Attempts)]++
		}
	}
	for p, proxies := range run.Counters {
		for proxy, window := range proxies {
			theirs := other.Counters[p][proxy]
			for name, end := range window.End {
				if _, counted := theirs.End[name]; counted && strings.HasPrefix(name, "cluster.outbound|") {
					out[fmt.Sprintf("%s: %s counts %s", p, proxy, name)] = end - window.Begin[name]
				}
			}
		}
	}
	return out
}

// anyInstance is the Deployment where the balancer did not choose among several.
func anyInstance(cluster string, w record.Workload) string {
	if strings.HasPrefix(cluster, "inbound|") {
		return "its app"
	}
	return w.Owner
}
