package calibrate_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/mesh/sim/dist"
	"github.com/squallmesh/squall/scenarios/calibrate"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
	"github.com/squallmesh/squall/scenarios/virtual"
)

// simulated runs Bookinfo's page with times that are known.
func simulated(t *testing.T, times *sim.Times, work map[string]dist.Distribution, timeline string) *record.Run {
	t.Helper()
	rules, err := bookinfo.Files.ReadFile("rules/bookinfo-gateway.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/gateway.yaml", rules, 0o600))
	f, problems := spec.Parse(config.File{Name: "scenario.yaml", Data: []byte(`apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: plain}
spec:
  title: Pages
  app: bookinfo
  config: [gateway.yaml]
  load: [{name: l, rate: 100/s, duration: 20s, pacing: poisson, request: {path: /productpage}}]
  checks: [{load: l, success: "> 0%"}]
` + timeline)}, os.DirFS(dir), ".", "")
	require.NoError(t, problems.Err())
	app, problems := config.ParseApp(bookinfo.Files, "app.yaml")
	require.NoError(t, problems.Err())
	run, err := virtual.Run(t.Context(), virtual.Options{App: app, Seed: 3, Dir: t.TempDir(), Times: times, Work: work}, f)
	require.NoError(t, err)
	return run
}

func known(t *testing.T) (*sim.Times, map[string]dist.Distribution) {
	t.Helper()
	times := sim.DefaultTimes()
	times.Local = 0 // which nobody can tell from an app's work
	times.Network, times.Proxy, times.Client = 400*time.Microsecond, 150*time.Microsecond, 200*time.Microsecond
	hop, err := dist.Exponential(time.Millisecond)
	require.NoError(t, err)
	times.Hop = &hop
	work := map[string]dist.Distribution{}
	for owner, mean := range map[string]time.Duration{"productpage-v1": 9 * time.Millisecond, "details-v1": 2 * time.Millisecond, "ratings-v1": 3 * time.Millisecond} {
		work[owner], err = dist.Gamma(mean, .5)
		require.NoError(t, err)
	}
	return &times, work
}

// A run whose times are known gives them back.
func TestTimesAreFoundAgain(t *testing.T) {
	times, work := known(t)
	result, err := calibrate.Runs("x", []*record.Run{simulated(t, times, work, "")})
	require.NoError(t, err)
	got := result.Document.Spec.Times
	near := func(want time.Duration, got *dist.Duration) {
		t.Helper()
		require.InDelta(t, float64(want), float64(*got), float64(60*time.Microsecond))
	}
	near(times.Network, got.Network)
	near(times.Proxy, got.Proxy)
	near(times.Client, got.Client)
	hop, err := got.Hop.Distribution()
	require.NoError(t, err)
	require.InEpsilon(t, times.Hop.Mean(), hop.Mean(), .1)
	for owner, want := range work {
		fitted := result.Document.Spec.Workloads[owner]
		d, err := fitted.Work.Distribution()
		require.NoError(t, err)
		require.InEpsilon(t, want.Mean(), d.Mean(), .05, owner)
		require.Greater(t, fitted.Fit.Samples, 500)
	}
	calls := map[string][]string{}
	for _, s := range result.Document.Spec.Services {
		calls[s.Name] = s.Calls
	}
	require.Equal(t, map[string][]string{"productpage": {"details", "reviews"}, "reviews": {"ratings"}, "details": nil, "ratings": nil}, calls)
}

// What a fault made slow is no time of the mesh.
func TestDisturbedRequestsDoNotCount(t *testing.T) {
	times, work := known(t)
	run := simulated(t, times, work, "  timeline: [{at: 2s, fault: {latency: {to: details, fixed: 300ms}}}]\n")
	result, err := calibrate.Runs("x", []*record.Run{run})
	require.NoError(t, err)
	require.Less(t, result.Requests, 300)
	hop, err := result.Document.Spec.Times.Hop.Distribution()
	require.NoError(t, err)
	require.Equal(t, 1.0, hop.Below(100*time.Millisecond))
}

// A backend that sleeps is no fault: what it sleeps is known, and is none of its work.
func TestWhatIsSleptIsNoWork(t *testing.T) {
	f, problems := spec.Parse(config.File{Name: "scenario.yaml", Data: []byte(`apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: slept}
spec:
  title: Answers after a while
  app: backend
  config:
    - {apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: b}, spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}}
    - {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b}, spec: {hosts: ["*"], gateways: [b], http: [{route: [{destination: {host: backend, port: {number: 8080}}}]}]}}
  load: [{name: l, rate: 100/s, duration: 10s, pacing: poisson, request: {path: /}}]
  timeline:
    - {at: 0s, script: {outcomes: [{delay: 40ms}]}}
    - {at: 5s, script: {workload: backend-v1, outcomes: [{delay: 90ms}]}}
  checks: [{load: l, success: "> 0%"}]
`)}, nil, ".", "")
	require.NoError(t, problems.Err())
	app, problems := config.ParseApp(bookinfo.Files, "backend.app.yaml")
	require.NoError(t, problems.Err())
	times := sim.DefaultTimes()
	times.Local = 0
	work, err := dist.Gamma(2*time.Millisecond, .3)
	require.NoError(t, err)
	run, err := virtual.Run(t.Context(), virtual.Options{App: app, Seed: 3, Dir: t.TempDir(), Times: &times, Work: map[string]dist.Distribution{
		"backend-v1": work, "backend-v2": work, "backend-v3": work,
	}}, f)
	require.NoError(t, err)
	result, err := calibrate.Runs("x", []*record.Run{run})
	require.NoError(t, err)
	require.Greater(t, result.Requests, 900)
	for _, owner := range []string{"backend-v1", "backend-v2", "backend-v3"} {
		fitted := result.Document.Spec.Workloads[owner]
		d, err := fitted.Work.Distribution()
		require.NoError(t, err)
		require.InEpsilon(t, 2*time.Millisecond, d.Mean(), .1, owner)
	}
}

func TestWhatCannotBeCalibratedIsRefused(t *testing.T) {
	times, work := known(t)
	blind := simulated(t, times, work, "")
	blind.Spans = nil
	_, err := calibrate.Runs("x", []*record.Run{blind})
	require.ErrorIs(t, err, calibrate.ErrNoSpans)
	require.ErrorContains(t, err, "squall run --out")
	always := simulated(t, times, work, "  timeline: [{at: 0s, fault: {latency: {to: details, fixed: 10ms}}}]\n")
	_, err = calibrate.Runs("x", []*record.Run{always})
	require.ErrorContains(t, err, "only 0 requests")
}
