package virtual_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
	"github.com/squallmesh/squall/scenarios/virtual"
)

// builtin are the apps that scenarios name in a word.
var builtin = map[string]string{"bookinfo": "app.yaml", "backend": "backend.app.yaml", "tcp-echo": "tcp-echo.app.yaml"}

// disk reads files relative to a folder, also above it, as scenarios of the catalogue name them.
type disk string

func (d disk) Open(name string) (fs.File, error) { return os.Open(filepath.Join(string(d), name)) }

func (d disk) ReadFile(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(d), name))
}

func catalogue(t *testing.T, name string) (f *spec.File, a *config.App) {
	t.Helper()
	dir := filepath.Join("..", "catalog", name)
	data, err := os.ReadFile(filepath.Join(dir, "scenario.yaml"))
	require.NoError(t, err)
	f, problems := spec.Parse(config.File{Name: name + ".yaml", Data: data}, disk(dir), ".", dir)
	require.NoError(t, problems.Err())
	return f, app(t, f, disk(dir))
}

func inline(t *testing.T, text string) (*spec.File, *config.App) {
	t.Helper()
	f, problems := spec.Parse(config.File{Name: "scenario.yaml", Data: []byte(text)}, os.DirFS(t.TempDir()), ".", "")
	require.NoError(t, problems.Err())
	return f, app(t, f, nil)
}

func app(t *testing.T, f *spec.File, dir fs.FS) *config.App {
	t.Helper()
	var from fs.FS = bookinfo.Files
	name, known := builtin[f.Spec.App]
	if !known {
		from, name = dir, f.Spec.App
	}
	a, problems := config.ParseApp(from, name)
	require.NoError(t, problems.Err())
	return a
}

// today is after the expired tokens of the catalogue have expired.
var today = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

func run(t *testing.T, f *spec.File, a *config.App, seed uint64) (*record.Run, []byte) {
	t.Helper()
	require.Empty(t, virtual.Refused(f, a).Text())
	var file bytes.Buffer
	r, err := virtual.Run(t.Context(), virtual.Options{App: a, Seed: seed, Dir: t.TempDir(), Record: &file, Today: today}, f)
	require.NoError(t, err)
	assert.Judge(r, f.Where)
	return r, file.Bytes()
}

// TestCatalogue: every scenario that comes with squall passes in virtual time too, unless it is about what is not simulated.
func TestCatalogue(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join("..", "catalog", "*", "scenario.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	var simulated atomic.Int32
	t.Cleanup(func() { require.GreaterOrEqual(t, simulated.Load(), int32(37), "more is refused than was") })
	for _, path := range folders {
		name := filepath.Base(filepath.Dir(path))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, a := catalogue(t, name)
			if refused := virtual.Refused(f, a); len(refused) > 0 {
				require.Contains(t, refused.Text(), "[NOT-SIMULATED]")
				t.Skip(refused[0].Message)
			}
			simulated.Add(1)
			for _, variant := range f.Variants() {
				r, _ := run(t, variant, a, 1)
				require.Equal(t, record.Pass, r.Verdict, r.Reason)
				require.Empty(t, r.Gaps)
			}
		})
	}
}

// TestRepeats: the record of a run is the same, byte for byte, for the same seed, on any number of processors, and another for another seed.
func TestRepeats(t *testing.T) {
	for _, name := range []string{"retry-storm", "fault-delay", "ejection", "workload-faults", "load-balancing", "grpc", "mtls", "jwt"} {
		f, a := catalogue(t, name)
		_, want := run(t, f, a, 7)
		for _, n := range []int{1, 2, 8} {
			before := runtime.GOMAXPROCS(n)
			_, got := run(t, f, a, 7)
			runtime.GOMAXPROCS(before)
			require.True(t, bytes.Equal(want, got), "%s differs with GOMAXPROCS %d", name, n)
		}
		_, other := run(t, f, a, 8)
		require.False(t, bytes.Equal(want, other), "%s does not depend on the seed", name)
	}
}

// TestRefused: what is not simulated is named at its line before anything runs.
func TestRefused(t *testing.T) {
	const head = "apiVersion: squall.dev/v1alpha1\nkind: Scenario\nmetadata: {name: x}\nspec:\n  title: x\n"
	const load = "  load: [{name: l, rate: 10/s, duration: 1s, request: {path: /}}]\n"
	const check = "  checks: [{load: l, success: \"> 0%\"}]\n"
	rules := func(rule string) string { return "  config:\n    - " + rule + "\n" }
	for want, text := range map[string]string{
		"a bandwidth is not simulated": head + "  app: backend\n" + load + check +
			"  timeline: [{at: 0s, fault: {bandwidth: {to: backend, rate: 64kB/s}}}]\n",
		"a failing name server is not simulated": head + "  app: backend\n" + load + check + "  timeline: [{at: 0s, fault: {dns: fail}}]\n",
		"pausing a proxy is not simulated": head + "  app: backend\n" + load + check +
			"  timeline: [{at: 0s, fault: {pause: {workload: backend-v1, target: both}}}]\n",
		"the counter cluster.x;.upstream_flow_control_paused_reading_total is not simulated": head + "  app: backend\n" + load +
			"  checks: [{counter: {proxy: backend-v1, name: cluster.x;.upstream_flow_control_paused_reading_total, delta: \"> 0\"}}]\n",
		"the metric istio_response_bytes, in which headers count, is not simulated": head + "  app: backend\n" + load +
			"  checks: [{promql: sum(istio_response_bytes_sum), is: \"> 0\"}]\n",
		"a load that sends the header x-envoy-retry-on is not simulated": head + "  app: backend\n" + check +
			"  load: [{name: l, rate: 10/s, duration: 1s, request: {path: /, headers: {x-envoy-retry-on: 5xx}}}]\n",
		"a path that Envoy would normalise (/a/../b) is not simulated": head + "  app: backend\n" + check +
			"  load: [{name: l, rate: 10/s, duration: 1s, request: {path: /a/../b}}]\n",
		"useClientProtocol is not simulated": head + "  app: backend\n" + load + check + rules(
			"{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: b}, spec: {host: backend, trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}}}"),
		"TLS (SIMPLE) to others than sidecars is not simulated": head + "  app: backend\n" + load + check + rules(
			"{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: b}, spec: {host: backend, trafficPolicy: {tls: {mode: SIMPLE}}}}"),
		"a policy that asks for addresses is not simulated": head + "  app: backend\n" + load + check + rules(
			"{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: b}, spec: {rules: [{from: [{source: {ipBlocks: [198.18.0.0/15]}}]}]}}"),
		"a policy that asks for the header x-request-id is not simulated": head + "  app: backend\n" + load + check + rules(
			"{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: b}, spec: {rules: [{when: [{key: \"request.headers[x-request-id]\", values: [a]}]}]}}"),
		"reset over HTTP/2 is not simulated": head + "  app: backend\n" + load + check +
			"  timeline: [{at: 0s, script: {port: grpc, outcomes: [{end: reset}]}}]\n",
		"retryRemoteLocalities is not simulated": head + "  app: backend\n" + load + check + rules(
			"{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b}, spec: {hosts: [backend], http: [{route: [{destination: {host: backend, port: {number: 8080}}}], retries: {attempts: 1, retryRemoteLocalities: true}}]}}"),
	} {
		f, a := inline(t, text)
		problems := virtual.Refused(f, a)
		require.Contains(t, problems.Text(), want)
		require.Contains(t, problems.Text(), "[NOT-SIMULATED]")
		for _, p := range problems {
			require.NotZero(t, p.Pos.Line, p.Message)
		}
	}
}
