package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
)

func settings(t *testing.T, capture model.Capture, mesh string) (*model.Mesh, string) {
	t.Helper()
	var set config.Set
	if mesh != "" {
		docs, problems := config.Parse(config.File{Name: "mesh.yaml", Data: []byte(
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: '" + mesh + "'}\n",
		)})
		require.NoError(t, problems.Err())
		set = set.With(docs...)
	}
	m := model.DefaultMesh()
	m.Capture = capture
	snap, problems := config.Build(set, model.Snapshot{Mesh: m}, nil)
	return snap.Mesh, problems.Text()
}

func TestWhoMayBeCalledIsSetForTheWholeMesh(t *testing.T) {
	for mesh, closed := range map[string]bool{
		"": false, "outboundTrafficPolicy: {mode: REGISTRY_ONLY}": true, "outboundTrafficPolicy: {mode: ALLOW_ANY}": false,
	} {
		m, problems := settings(t, model.CaptureRedirect, mesh)
		require.Empty(t, problems)
		require.Equal(t, closed, m.RegistryOnly, mesh)
	}
	// A sidecar that is an HTTP proxy passes nothing on, and does not pretend to.
	_, problems := settings(t, model.CaptureProxy, "outboundTrafficPolicy: {mode: ALLOW_ANY}")
	require.Contains(t, problems, "NO-PASSTHROUGH")
	for _, bad := range []string{"[", "outboundTrafficPolicy: REGISTRY_ONLY", "outboundTrafficPolicy: {}", "outboundTrafficPolicy: {mode: REGISTRY_ONLY, more: x}"} {
		_, problems := settings(t, model.CaptureRedirect, bad)
		require.Contains(t, problems, "mesh.yaml:4:", bad)
	}
}
