package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// deaf is a platform that breaks nothing, whatever it is asked for, and says that all is well.
type deaf struct{ platform.Platform }

func (p deaf) Start(ctx context.Context, s platform.Spec) (platform.Deployment, error) {
	d, err := p.Platform.Start(ctx, s)
	return deafDeployment{d}, err
}

type deafDeployment struct{ platform.Deployment }

func (deafDeployment) Break(context.Context, string, platform.Breakage) (string, error) {
	return "", nil
}
func (deafDeployment) Mend(context.Context, string) (string, error) { return "", nil }

// faultKinds has a fault of each kind that a lab on loopback can have. A delay and an abort are made to do nothing by a header that no request
// has: they are rules.
var faultKinds = []struct{ kind, text string }{
	{"delay", `delay: {to: ratings, fixed: 10ms%s}`},
	{"abort", `abort: {to: ratings, status: 503%s}`},
	{"latency", `latency: {from: reviews, to: ratings, fixed: 10ms}`},
	{"bandwidth", `bandwidth: {from: reviews, to: ratings, rate: 10kB/s}`},
	{"stall", `stall: {from: reviews, to: ratings}`},
	{"reset", `reset: {from: reviews, to: ratings}`},
	{"pause", `pause: {workload: ratings-v1}`},
	{"kill", `kill: {workload: ratings-v1}`},
	{"controlPlane", `controlPlane: stop`},
}

// podsAlone are kinds of faults that the story pods-network shows, with and without traffic that meets them.
var podsAlone = []string{"partition", "loss", "dns"}

func TestEveryKindOfFaultIsAmongThem(t *testing.T) {
	var all, here []string
	for field := range reflect.TypeFor[spec.Fault]().Fields() {
		all = append(all, strings.TrimSuffix(field.Tag.Get("json"), ",omitempty"))
	}
	for _, f := range faultKinds {
		here = append(here, f.kind)
	}
	require.ElementsMatch(t, all, append(here, podsAlone...))
}

// A fault that does nothing has no evidence, and a run that lacks it never passes, though every check holds. The same faults on a platform that
// does as it is told have evidence, and the run passes.
func TestAFaultThatDoesNothingIsNoPass(t *testing.T) {
	t.Parallel()
	env, b, options := labOf(t)
	env.stdout, env.stderr, env.terminal = io.Discard, io.Discard, false
	run := func(t *testing.T, header string, on func(platform.Platform) platform.Platform) *record.Run {
		t.Helper()
		dir := t.TempDir()
		path := filepath.Join(dir, "scenario.yaml")
		require.NoError(t, os.WriteFile(path, []byte(faultsInTurn(header)), 0o600))
		j, problems := loadScenario(env, path)
		require.NoError(t, problems.Err())
		o := options(platform.Loopback)
		var err error
		o.Dir, err = os.MkdirTemp(o.Dir, "run") //nolint:usetesting // short paths for sockets
		require.NoError(t, err)
		return runOn(t.Context(), env, runFlags{form: platform.Loopback, seed: 1}, b, j, stage{platform: on(local.Platform{Options: o}), dir: o.Dir})
	}
	t.Run("done", func(t *testing.T) {
		r := run(t, "", func(p platform.Platform) platform.Platform { return p })
		require.Equal(t, record.Pass, r.Verdict, r.Reason)
		for i, e := range r.Events {
			require.NotEmpty(t, e.Evidence, faultKinds[i].kind)
		}
	})
	t.Run("not done", func(t *testing.T) {
		r := run(t, `, headers: {x-nobody: has}`, func(p platform.Platform) platform.Platform { return deaf{p} })
		require.Equal(t, record.Inconclusive, r.Verdict, r.Reason)
		for i, e := range r.Events {
			require.Empty(t, e.Evidence, faultKinds[i].kind)
			require.NotEmpty(t, e.Missing, faultKinds[i].kind)
		}
	})
}

// faultsInTurn is a scenario with every fault, one after the other, and a check that holds in any case.
func faultsInTurn(header string) string {
	var items strings.Builder
	for i, f := range faultKinds {
		text := f.text
		if strings.Contains(text, "%s") {
			text = fmt.Sprintf(text, header)
		}
		fmt.Fprintf(&items, "    - {at: %dms, for: 250ms, fault: {%s}}\n", 300+500*i, text)
	}
	return `apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: faults}
spec:
  title: Every fault in its turn
  app: bookinfo
  warmup: 300ms
  load: [{name: callers, rate: 40/s, duration: 5s, timeout: 1s, request: {path: /ratings/0, from: reviews-v1, host: "ratings:9080"}}]
  timeline:
` + items.String() + `  checks: [{load: callers, success: "> 0%"}]
`
}
