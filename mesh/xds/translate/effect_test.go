package translate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// A change has an effect on a proxy if some request could tell.
func TestEffect(t *testing.T) {
	const app = `
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {selector: {app: a}, ports: [{name: http, port: 80}]}
`
	rules := func(subsets, weight string) string {
		return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a}
spec: {host: a, subsets: [` + subsets + `]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec: {hosts: [a], http: [{route: [{destination: {host: a, subset: v1}` + weight + `}]}]}
`
	}
	effect := func(text string) []string {
		t.Helper()
		docs, problems := config.Parse(config.File{Name: "app.yaml", Data: []byte(app)}, config.File{Name: "rules.yaml", Data: []byte(text)})
		require.NoError(t, problems.Err())
		w := &model.Workload{Name: "a-1", Owner: "a", Namespace: "default", Labels: map[string]string{"app": "a", "version": "v1", "tier": "x"}, Address: "127.1.0.1", ProxyPort: 15001, Inbound: []model.Inbound{{
			Host: "a.default.svc.cluster.local", Port: 80, Protocol: model.HTTP, Listen: model.Socket{Address: "127.1.0.1", Port: 80}, App: model.Socket{Address: "127.2.0.1", Port: 80},
		}}}
		snap, problems := config.Build(config.Set{}.With(docs...), model.Snapshot{Mesh: model.DefaultMesh()}, []*model.Workload{w})
		require.NoError(t, problems.Err())
		tr := translate.New()
		tr.Update(snap)
		tr.SetProxy(&model.Proxy{ID: "p", Kind: model.Sidecar, Workload: w})
		return tr.View("p").Effect()
	}
	const v1 = `{name: v1, labels: {version: v1}}`
	base := effect(rules(v1, ""))
	require.NotEmpty(t, base)
	require.Equal(t, base, effect(rules(v1+`, {name: v9, labels: {version: v9}}`, "")), "a subset that nothing leads to")
	require.Equal(t, base, effect(rules(`{name: v1, labels: {version: v1, tier: x}}`, "")), "a label that all of its pods have")
	require.Equal(t, base, effect(rules(v1, ", weight: 100")), "the weight of the only destination")
	require.NotEqual(t, base, effect(rules(`{name: v1, labels: {version: v2}}`, "")), "a subset of others")
	require.NotEqual(t, base, effect(rules(`{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}`, "")))
}
