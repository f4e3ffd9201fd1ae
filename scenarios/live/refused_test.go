package live

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/scenarios/spec"
)

// What containers and clusters do not have yet is refused before anything starts, where it is asked for.
func TestAppsThatNeedTheLocalPlatforms(t *testing.T) {
	const manifests = `apiVersion: apps/v1
kind: Deployment
metadata: {name: edge}
spec: {selector: {matchLabels: {app: edge}}, template: {metadata: {labels: {app: edge}, annotations: {inject.istio.io/templates: gateway}}, spec: {containers: [{name: istio-proxy}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: brief}
spec: {selector: {matchLabels: {app: brief}}, template: {metadata: {labels: {app: brief}, annotations: {proxy.istio.io/config: "proxyMetadata: {SECRET_TTL: 5s}"}}, spec: {containers: [{name: app}]}}}
`
	app := &config.App{Manifests: []config.File{{Name: "app.yaml", Data: []byte(manifests)}}}
	for _, form := range []platform.Form{platform.Docker, platform.Kind} {
		err := Refused(&spec.File{}, app, form.Info()).Err()
		require.ErrorContains(t, err, "app.yaml:6:1: a lab on "+string(form)+" cannot set the lifetime of certificates (SECRET_TTL) of brief [NEEDS-LOCAL]")
		require.ErrorContains(t, err, "app.yaml:1:1: a lab on "+string(form)+" has its ingress gateway alone, and no edge [NEEDS-LOCAL]")
	}
	for _, form := range []platform.Form{platform.Loopback, platform.Pods} {
		require.Empty(t, Refused(&spec.File{}, app, form.Info()))
	}
}
