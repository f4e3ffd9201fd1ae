package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/mesh/platform/platformtest"
	"github.com/squallmesh/squall/scenarios/live"
)

// A lab that is kept serves the next deployment with none of the last one's rules, faults and reports; one whose processes came or went does
// not serve another.
func TestKeptLabsAreSetBack(t *testing.T) {
	_, _, options := labOf(t)
	a, appDir, err := loadApp("backend")
	require.NoError(t, err)
	spec := platform.Spec{App: a, AppDir: appDir, Exact: true, Rules: []config.File{{Name: "rules.yaml", Data: []byte(platformRules)}}}
	kept := &local.Kept{Options: options(platform.Loopback), Restore: live.CalmBackends}
	t.Cleanup(func() { require.NoError(t, kept.Close()) })
	page := func(d platform.Deployment) int {
		t.Helper()
		status, err := platformtest.Page(t.Context(), d)
		require.NoError(t, err)
		return status
	}

	first, err := kept.Start(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, 200, page(first))
	_, err = first.Apply(t.Context(), config.File{Name: "abort.yaml", Data: []byte(
		`{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b}, spec: {hosts: ["*"], gateways: [g], http: [{fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, route: [{destination: {host: backend}}]}]}}`)})
	require.NoError(t, err)
	require.Equal(t, 418, page(first))
	_, err = first.Break(t.Context(), "pause", platform.Breakage{Pause: &platform.Processes{Workload: platformtest.Workload, Target: platform.App}})
	require.NoError(t, err)
	require.NoError(t, first.Close())

	second, err := kept.Start(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, 1, kept.Reused)
	require.Zero(t, second.Collected().Ledger.Len(), "what the first was told is not the second's")
	require.Equal(t, 200, page(second))
	_, err = second.Break(t.Context(), "kill", platform.Breakage{Kill: &platform.Processes{Workload: platformtest.Workload, Target: platform.App}})
	require.NoError(t, err)
	require.NoError(t, second.Close())

	third, err := kept.Start(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, 1, kept.Reused, "another process is another lab")
	require.Equal(t, 200, page(third))
	require.NoError(t, third.Close())

	spec.Exact = false
	fourth, err := kept.Start(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, 1, kept.Reused, "another profile is another lab")
	require.NoError(t, fourth.Close())
}
