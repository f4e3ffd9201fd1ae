package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADeploymentOfNoReplicasIsKnownAndHasNoInstances(t *testing.T) {
	docs, problems := Parse(File{Name: "shop.yaml", Data: []byte(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: store}
spec:
  replicas: 0
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec: {containers: [{name: store, image: store}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: shop}]}
`)})
	require.Empty(t, problems)
	set := Set{}.With(docs...)
	replicas := map[string]int{}
	for _, d := range Templates(set) {
		replicas[d.Owner] = d.Replicas
	}
	require.Equal(t, map[string]int{"store": 0, "shop": 2}, replicas)
	var names []string
	for _, i := range Instances(set) {
		names = append(names, i.Name)
	}
	require.Equal(t, []string{"shop-0", "shop-1"}, names)
}

func TestLifetimeOfCertificates(t *testing.T) {
	deployment := func(annotations string) []Template {
		docs, problems := Parse(File{Name: "a.yaml", Data: []byte(`apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}, annotations: {` + annotations + `}}
    spec: {containers: [{name: a, image: a}]}
`)})
		require.NoError(t, problems.Err())
		return Templates(Set{}.With(docs...))
	}
	require.Zero(t, deployment("")[0].CertificateTTL, "the authority's own")
	require.Equal(t, 5*time.Second, deployment(`proxy.istio.io/config: "proxyMetadata: {SECRET_TTL: 5s}"`)[0].CertificateTTL)
}
