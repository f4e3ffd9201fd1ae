package mesh

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
)

// What a mesh without identities cannot keep is refused at its place; what it can is not.
func TestAMeshWithoutIdentitiesRefusesWhatNeedsThem(t *testing.T) {
	docs, problems := config.Parse(config.File{Name: "rules.yaml", Data: []byte(`apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: off, namespace: other}
spec: {mtls: {mode: DISABLE}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: mutual}
spec: {host: ratings.example.com, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny-reviews}
spec:
  action: DENY
  rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/reviews]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny-namespace}
spec:
  action: DENY
  rules: [{when: [{key: source.namespace, values: [prod]}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: paths}
spec:
  action: DENY
  rules: [{to: [{operation: {paths: [/admin]}}]}]
`)})
	require.NoError(t, problems.Err())
	snap, problems := config.Build(config.Set{}.With(docs...), model.Snapshot{}, nil)
	require.NoError(t, problems.Err())
	var lines []int
	for _, d := range WithoutIdentity(snap) {
		require.Equal(t, "NO-IDENTITY", d.Code)
		lines = append(lines, d.Pos.Line)
	}
	require.ElementsMatch(t, []int{1, 14, 16, 23}, lines)
	snap.Trust = &model.Trust{}
	require.Empty(t, WithoutIdentity(snap))
}
