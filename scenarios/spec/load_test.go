package spec

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
)

// A scenario with a bit of everything, in which the cases below break one thing each.
const sound = `apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: sound}
spec:
  title: All is well
  app: bookinfo
  envoy: {profile: exact}
  config: [rules.yaml, {kind: VirtualService}]
  load:
    - {name: readers, rate: 20/s, duration: 10s, pacing: poisson, request: {path: /a}, value: {header: x-version}}
    - {name: plain, rate: 20/s, duration: 5s, request: {path: /b}}
  timeline:
    - {at: 1s, for: 1s, name: slow, fault: {delay: {to: ratings, fixed: 7s, percent: 50}}}
    - {at: 2s, name: failing, fault: {abort: {to: ratings, status: 503}}}
    - {at: 3s, fault: {kill: {workload: ratings-v1, target: both}}}
    - {at: 4s, fault: {controlPlane: stop}}
    - {at: 5s, name: marker}
    - {at: 6s, apply: [more.yaml]}
  checks:
    - {phase: slow, load: readers, success: ">= 99%", status: {200: "100%"}, p99: "< 200ms", values: {v1: "100%"}}
    - {requests: {from: a, to: b}, share: "100%", count: "> 5"}
    - {split: {load: readers, want: {v1: 90, v2: 10}, tolerance: 12}}
    - {promql: up, is: "> 0"}
    - {counter: {proxy: a, name: x, delta: "0"}}
    - {recovery: {load: plain, within: 1s, success: "100%"}}
    - {ejected: {proxy: a, to: b, workloads: []}}
  abortIf:
    - {load: readers, success: "< 50%", for: 5s}
`

var files = fstest.MapFS{"dir/rules.yaml": {Data: []byte("kind: Gateway\n")}, "dir/more.yaml": {Data: []byte("kind: Gateway\n")}}

func parse(text string) (*File, diag.List) {
	return Parse(config.File{Name: "shown/scenario.yaml", Data: []byte(text)}, files, "dir", "shown")
}

func TestSound(t *testing.T) {
	f, problems := parse(sound)
	require.Empty(t, problems)
	require.Equal(t, 10*time.Second, f.End())
	require.Equal(t, DefaultWarmup, f.WarmupTime())
	require.Equal(t, []string{"before", "after", "all", "slow", "failing", "marker"}, f.PhaseNames())
	require.Equal(t, "shown/rules.yaml", f.Rules[0].Name)
	require.Equal(t, "shown/scenario.yaml#spec.config[1]", f.Rules[1].Name)
	require.JSONEq(t, `{"kind":"VirtualService"}`, string(f.Rules[1].Data))
	require.Equal(t, "shown/more.yaml", f.Items[5][0].Name)

	data, err := json.Marshal(f.Scenario)
	require.NoError(t, err)
	again, problems := parse(string(data))
	require.Empty(t, problems, "what is written can be read")
	require.Equal(t, f.Scenario, again.Scenario)
}

// Each thing that can be wrong is found, with its code, at its place, there where `at` begins in the changed text: a scalar, or
// the key of what holds others or lacks a field.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		code, at       string
	}{
		{"kind", "kind: Scenario", "kind: Scenery", "UNKNOWN-KIND", "Scenery"},
		{"version", "v1alpha1", "v9", "UNKNOWN-VERSION", "squall.dev/v9"},
		{"name", "name: sound", "name: So und", "BAD-NAME", "So und"},
		{"no name", "metadata: {name: sound}", "metadata: {}", "BAD-NAME", "metadata"},
		{"no app", "  app: bookinfo\n", "", "MISSING-FIELD", "spec:"},
		{"profile", "profile: exact", "profile: fast", "BAD-VALUE", "fast"},
		{"unknown field", "title:", "titel:", "UNKNOWN-FIELD", "titel"},
		{"a load without a name", "name: plain, ", "", "MISSING-FIELD", "{rate: 20/s, duration: 5s"},
		{"two loads of one name", "name: plain", "name: readers", "DUPLICATE-NAME", "readers, rate: 20/s, duration: 5s"},
		{"rate", "rate: 20/s, duration: 5s", "rate: 20, duration: 5s", "BAD-RATE", "20, duration: 5s"},
		{"no duration", "duration: 5s, ", "", "MISSING-FIELD", "{name: plain"},
		{"a time that is none", "duration: 5s", "duration: long", "BAD-VALUE", "long"},
		{"a negative time", "duration: 5s", "duration: -5s", "BAD-VALUE", "-5s"},
		{"path", "path: /b", "path: b", "BAD-VALUE", "b}}\n  timeline"},
		{"a caller without a callee", "{path: /b}", "{path: /b, from: a-v1}", "MISSING-FIELD", "request: {path: /b"},
		{"gRPC without a service", "{path: /b}", "{grpc: /Echo}", "BAD-VALUE", "/Echo"},
		{"gRPC with a path", "{path: /b}", "{grpc: /a.B/C, path: /b}", "BAD-VALUE", "request: {grpc"},
		{"TCP without a port", "{path: /b}", "{tcp: echo, from: a-v1, body: x}", "BAD-VALUE", "echo, from"},
		{"TCP of a service from nowhere", "{path: /b}", "{tcp: 'echo:9', body: x}", "BAD-VALUE", "'echo:9'"},
		{"TCP with a path", "{path: /b}", "{path: /b, tcp: ':9', body: x}", "BAD-VALUE", "request: {path: /b, tcp"},
		{"TCP without a body", "{path: /b}", "{tcp: ':9'}", "MISSING-FIELD", "request: {tcp"},
		{"pacing", "poisson", "bursts", "BAD-VALUE", "bursts"},
		{"no value", "{header: x-version}", "{}", "BAD-VALUE", "value: {}"},
		{"two values", "{header: x-version}", "{header: a, body: b}", "BAD-VALUE", "value: {header: a"},
		{"regular expression", "{header: x-version}", "{body: '('}", "BAD-REGEX", "'('"},
		{"no rules file", "[rules.yaml", "[nowhere.yaml", "NO-FILE", "nowhere.yaml"},
		{"a rules file above", "[rules.yaml", "[../../etc/passwd", "NO-FILE", "../../etc/passwd"},
		{"rules of a kind that they have not", "[rules.yaml", "[5", "BAD-VALUE", "5, {kind"},
		{"no rules file in the timeline", "[more.yaml]", "[nowhere.yaml]", "NO-FILE", "nowhere.yaml"},
		{"two phases of one name", "name: failing", "name: slow", "DUPLICATE-NAME", "slow, fault: {abort"},
		{"a phase of a built-in name", "name: failing", "name: before", "DUPLICATE-NAME", "before"},
		{"an item that does nothing", "name: marker", "for: 1s", "BAD-ITEM", "{at: 5s"},
		{"an item that does two things", "apply: [more.yaml]", "apply: [more.yaml], hold: {}", "BAD-ITEM", "{at: 6s"},
		{"an item after the end", "at: 6s", "at: 10s", "BAD-VALUE", "10s, apply"},
		{"a latency without a time", "{controlPlane: stop}", "{latency: {to: a}}", "MISSING-FIELD", "latency: {"},
		{"a latency with too much jitter", "{controlPlane: stop}", "{latency: {to: a, fixed: 1s, jitter: 2s}}", "BAD-VALUE", "2s}}"},
		{"a latency with a rate", "{controlPlane: stop}", "{latency: {to: a, fixed: 1s, rate: 1kB/s}}", "BAD-FAULT", "latency: {"},
		{"a bandwidth without a rate", "{controlPlane: stop}", "{bandwidth: {to: a}}", "MISSING-FIELD", "bandwidth: {"},
		{"a bandwidth below the least", "{controlPlane: stop}", "{bandwidth: {to: a, rate: 10B/s}}", "MISSING-FIELD", "10B/s}}"},
		{"a stall with a time", "{controlPlane: stop}", "{stall: {to: a, fixed: 1s}}", "BAD-FAULT", "stall: {"},
		{"a reset of nobody", "{controlPlane: stop}", "{reset: {from: a}}", "MISSING-FIELD", "reset: {"},
		{"a condition on a number", "{controlPlane: stop}", "{controlPlane: stop}, when: {load: readers, success: '< 5', for: 1s}", "BAD-VALUE", "'< 5'"},
		{"an item that waits for itself", "name: marker", "name: marker, unless: [marker]", "BAD-VALUE", "marker]"},
		{"a check for a profile that does not run", "checks:", "checks:\n    - {profile: istio, load: readers, success: '> 1%'}", "BAD-VALUE", "istio, load"},
		{"a matrix beside a profile", "envoy: {profile: exact}", "envoy: {profile: exact}\n  matrix: {profile: [exact]}", "BAD-VALUE", "exact}"},
		{"a matrix of nothing", "envoy: {profile: exact}", "matrix: {profile: []}", "MISSING-FIELD", "profile: []"},
		{"a matrix with an unknown profile", "envoy: {profile: exact}", "matrix: {profile: [fast]}", "BAD-VALUE", "fast]"},
		{"a matrix with the same twice", "envoy: {profile: exact}", "matrix: {profile: [istio, istio]}", "DUPLICATE-NAME", "istio]"},
		{"a fault of no kind", "{controlPlane: stop}", "{}", "BAD-FAULT", "fault: {}"},
		{"a fault of two kinds", "{controlPlane: stop}", "{controlPlane: stop, pause: {workload: a}}", "BAD-FAULT", "fault: {controlPlane"},
		{"control plane", "controlPlane: stop", "controlPlane: start", "BAD-VALUE", "start"},
		{"a delay of nobody", "to: ratings, fixed", "fixed", "MISSING-FIELD", "delay: {"},
		{"a delay without a time", "fixed: 7s, ", "", "MISSING-FIELD", "delay: {"},
		{"a delay with a status", "fixed: 7s", "fixed: 7s, status: 500", "BAD-FAULT", "delay: {"},
		{"percent", "percent: 50", "percent: 101", "BAD-VALUE", "101"},
		{"an abort of nobody", "to: ratings, status", "status", "MISSING-FIELD", "abort: {"},
		{"an abort without a status", ", status: 503", "", "BAD-FAULT", "abort: {"},
		{"an abort with two", "status: 503", "status: 503, grpcStatus: 14", "BAD-FAULT", "abort: {"},
		{"an abort's status", "status: 503", "status: 199", "BAD-VALUE", "199"},
		{"an abort with a time", "status: 503", "status: 503, fixed: 1s", "BAD-FAULT", "abort: {"},
		{"a workload to kill", "workload: ratings-v1, ", "", "MISSING-FIELD", "kill: {"},
		{"whom to kill", "target: both", "target: all", "BAD-VALUE", "all}"},
		{"phase", "phase: slow", "phase: quick", "UNKNOWN-PHASE", "quick"},
		{"load", "load: readers, success: \">=", "load: writers, success: \">=", "UNKNOWN-LOAD", "writers"},
		{"load of a split", "split: {load: readers", "split: {load: writers", "UNKNOWN-LOAD", "writers"},
		{"load of a recovery", "recovery: {load: plain", "recovery: {load: writers", "UNKNOWN-LOAD", "writers"},
		{"a check of no kind", "{requests: {from: a, to: b}, share: \"100%\", count: \"> 5\"}", "{name: nothing}", "BAD-CHECK", "{name: nothing"},
		{"a check of two kinds", "{promql: up,", "{promql: up, trace: {},", "BAD-CHECK", "{promql"},
		{"a load to which nothing applies", "{promql: up, is: \"> 0\"}", "{load: plain}", "BAD-CHECK", "{load: plain}"},
		{"requests without a bound", ", share: \"100%\", count: \"> 5\"", "", "BAD-CHECK", "{requests"},
		{"share without requests", "is: \"> 0\"", "is: \"> 0\", share: \"5%\"", "BAD-CHECK", "{promql"},
		{"promql without is", ", is: \"> 0\"", "", "BAD-CHECK", "{promql"},
		{"shares that sum to 99", "v2: 10", "v2: 9", "BAD-VALUE", "want: {"},
		{"no tolerance", ", tolerance: 12", "", "MISSING-FIELD", "split: {"},
		{"values of a load without", "{promql: up, is: \"> 0\"}", "{load: plain, values: {v3: \"0\"}}", "NO-VALUE", "values: {v3"},
		{"a split of a load without", "split: {load: readers", "split: {load: plain", "NO-VALUE", "plain, want"},
		{"a status that is none", "status: {200:", "status: {2xx:", "BAD-VALUE", "\"100%\"}, p99"},
		{"a bound that is none", "\"< 200ms\"", "fast", "BAD-VALUE", "fast"},
		{"a latency without a unit", "< 200ms", "< 200", "BAD-UNIT", "\"< 200\""},
		{"a success of a time", "\">= 99%\"", "\">= 99ms\"", "BAD-UNIT", "\">= 99ms\""},
		{"a share that is a number", "share: \"100%\"", "share: \"1\"", "BAD-UNIT", "\"1\""},
		{"a count that is a share", "count: \"> 5\"", "count: \"> 5%\"", "BAD-UNIT", "\"> 5%\""},
		{"a query's time", "is: \"> 0\"", "is: \"< 200ms\"", "BAD-UNIT", "\"< 200ms\"}\n    - {counter"},
		{"a counter's share", "delta: \"0\"", "delta: \"5%\"", "BAD-UNIT", "\"5%\""},
		{"a counter without a bound", ", delta: \"0\"", "", "MISSING-FIELD", "counter: {"},
		{"a recovery without a bound", "within: 1s, success: \"100%\"", "within: 1s", "MISSING-FIELD", "recovery: {"},
		{"an ejection from nobody", "{proxy: a, to: b,", "{to: b,", "MISSING-FIELD", "ejected: {"},
		{"a guard rail of no load", "abortIf:\n    - {load: readers", "abortIf:\n    - {load: writers", "UNKNOWN-LOAD", "writers"},
		{"a guard rail of a number", "\"< 50%\"", "\"< 50\"", "BAD-VALUE", "\"< 50\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, 1, strings.Count(sound, c.from), "%q must stand once in the sound scenario", c.from)
			text := strings.Replace(sound, c.from, c.to, 1)
			offset := strings.Index(text, c.at)
			require.GreaterOrEqual(t, offset, 0, "%q is not in the changed text", c.at)
			before := text[:offset]
			want := diag.Pos{File: "shown/scenario.yaml", Line: 1 + strings.Count(before, "\n"), Col: offset - strings.LastIndex(before, "\n")}
			_, problems := parse(text)
			var got []string
			for _, p := range problems {
				if p.Code == c.code && p.Pos == want {
					return
				}
				got = append(got, diag.List{p}.Text())
			}
			t.Errorf("want %s at %s, got:\n%s", c.code, want, strings.Join(got, "\n"))
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	text := strings.NewReplacer("kind: Scenario", "kind: Scenery", "path: /b", "path: b", "phase: slow", "phase: quick").Replace(sound)
	_, problems := parse(text)
	require.Len(t, problems, 3)
	for _, text := range []string{"", "---\n", "a: [", sound + "---\n" + sound, "5"} {
		_, problems := parse(text)
		require.Error(t, problems.Err(), text)
	}
	_, problems = parse("apiVersion: squall.dev/v1alpha1\nkind: Scenario\nmetadata: {name: empty}\nspec: {app: bookinfo}\n")
	require.Contains(t, problems.Text(), "a scenario without checks proves nothing")
	require.Contains(t, problems.Text(), "a scenario without load shows nothing")
}

// Every scenario of the catalogue can be read, is called as its folder is, and comes with what belongs to it.
func TestCatalogue(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	found, err := filepath.Glob(filepath.Join(root, "scenarios", "catalog", "*", "scenario.yaml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(found), 10)
	for _, path := range found {
		dir, err := filepath.Rel(root, filepath.Dir(path))
		require.NoError(t, err)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			f, problems := Parse(config.File{Name: path, Data: data}, os.DirFS(root), filepath.ToSlash(dir), dir)
			require.Empty(t, problems)
			require.Equal(t, filepath.Base(dir), f.Metadata.Name)
			require.NotEmpty(t, f.Spec.Title)
			written, err := json.Marshal(f.Scenario)
			require.NoError(t, err)
			again, problems := Parse(config.File{Name: path, Data: written}, os.DirFS(root), filepath.ToSlash(dir), dir)
			require.Empty(t, problems)
			require.Equal(t, f.Scenario, again.Scenario)

			mutants, err := os.ReadFile(filepath.Join(filepath.Dir(path), "mutants.yaml"))
			require.NoError(t, err)
			require.Contains(t, string(mutants), "expect:")
			readme, err := os.ReadFile(filepath.Join(filepath.Dir(path), "README.md"))
			require.NoError(t, err)
			require.Contains(t, string(readme), f.Spec.Title)
			for line := range strings.Lines(string(mutants)) {
				if _, name, ok := strings.Cut(line, "- name: "); ok {
					require.Contains(t, string(readme), strings.TrimSpace(name), "the README says how each mutant breaks it")
				}
			}
		})
	}
}
