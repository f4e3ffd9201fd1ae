package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
)

func parse(t require.TestingT, text string) []*config.Document {
	docs, problems := config.Parse(config.File{Name: "test.yaml", Data: []byte(text)})
	require.Empty(t, problems.Text())
	return docs
}

// What does not change keeps its pointer: the translator works by comparing pointers.
func TestBuildKeepsPointers(t *testing.T) {
	set := base(t).With(bookinfoDocs(t, "rules/virtual-service-all-v1.yaml", "rules/bookinfo-gateway.yaml", "rules/egress-rule-google-apis.yaml")...)
	first, problems := config.Build(set, model.Snapshot{}, workloads(set))
	require.Empty(t, problems.Text())

	again, _ := config.Build(set, first, workloads(set)) // other workload pointers, same values
	require.Equal(t, model.Changes{}, model.Changed(first, again))

	next, problems := config.Build(set.With(bookinfoDocs(t, "rules/virtual-service-reviews-80-20.yaml")...), first, workloads(set))
	require.Empty(t, problems.Text())
	require.Equal(t, model.Changes{MeshRules: []string{"reviews.default.svc.cluster.local"}}, model.Changed(first, next))
	require.Equal(t, uint32(80), next.MeshRule("reviews.default.svc.cluster.local", "default").HTTP[0].Destinations[0].Weight)

	gone, problems := config.Build(set.Without("VirtualService", "", "ratings"), first, workloads(set)[1:])
	require.Empty(t, problems.Text())
	require.Equal(t, model.Changes{
		MeshRules: []string{"ratings.default.svc.cluster.local"}, Workloads: []string{"default/details-v1-0"},
		Endpoints: []string{"details.default.svc.cluster.local"},
	}, model.Changed(first, gone))
	require.Nil(t, gone.MeshRule("ratings.default.svc.cluster.local", "default"))

	broken, problems := config.Build(set.Without("DestinationRule", "default", "reviews"), first, workloads(set))
	require.True(t, problems.HasErrors())
	require.Equal(t, model.Changes{}, model.Changed(first, broken))
}

func TestSetReplacesByKindNamespaceAndName(t *testing.T) {
	one := parse(t, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n")
	two := parse(t, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: default}\n")
	other := parse(t, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: other}\n")
	set := config.Set{}.With(one...).With(other...).With(two...)
	require.Equal(t, []*config.Document{two[0], other[0]}, set.Documents())
	require.Same(t, two[0], set.Get("ServiceAccount", "", "a"))
	require.Equal(t, 1, set.Without("ServiceAccount", "", "a").Len())
	require.Equal(t, 2, set.Without("ServiceAccount", "", "b").Len())
	require.Zero(t, config.Set{}.Len())
}

func TestInstancesOnePerReplica(t *testing.T) {
	set := config.Set{}.With(parse(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: b, namespace: x}
spec:
  replicas: 2
  selector: {matchLabels: {app: b}}
  template:
    metadata: {labels: {app: b, istio-locality: eu/a}}
    spec: {serviceAccount: acc, containers: [{name: b, ports: [{name: http, containerPort: 80}], env: [{name: K, value: V}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: x}
spec:
  replicas: 0
  selector: {matchLabels: {app: a}}
  template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: c, namespace: x}
spec:
  selector: {matchLabels: {app: c}}
  template: {metadata: {labels: {app: c}}, spec: {containers: [{name: c}]}}
`)...)
	var names []string
	all := config.Instances(set)
	for _, i := range all {
		names = append(names, i.Key()+" "+i.Owner+" "+i.ServiceAccount)
	}
	require.Equal(t, []string{"x/b-0 b acc", "x/b-1 b acc", "x/c-0 c default"}, names)
	require.Equal(t, model.Locality{Region: "eu", Zone: "a"}, all[0].Locality)
	require.Equal(t, map[string]string{"K": "V"}, all[0].Env)
	all[0].Env["K"] = "other"
	require.Equal(t, "V", all[1].Env["K"])
}

// The order in which independent documents come makes no difference.
func TestOrderOfDocumentsDoesNotMatter(t *testing.T) {
	docs := bookinfoDocs(t, "manifests/bookinfo.yaml", "rules/destination-rule-all.yaml", "rules/virtual-service-all-v1.yaml", "rules/bookinfo-gateway.yaml")
	want := config.Set{}.With(docs...)
	first, problems := config.Build(want, model.Snapshot{}, workloads(want))
	require.Empty(t, problems.Text())
	rapid.Check(t, func(t *rapid.T) {
		set := config.Set{}.With(rapid.Permutation(docs).Draw(t, "docs")...)
		require.True(t, slices.Equal(want.Documents(), set.Documents()))
		snap, problems := config.Build(set, first, workloads(set))
		require.Empty(t, problems.Text())
		require.Equal(t, model.Changes{}, model.Changed(first, snap))
	})
}

func BenchmarkBuildOneOfManyChanged(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var text strings.Builder
			for i := range n {
				fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Service\nmetadata: {name: s%d}\nspec: {selector: {app: s%d}, ports: [{name: http, port: 80}]}\n", i, i)
				fmt.Fprintf(&text, "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: s%d}\nspec: {hosts: [s%d], http: [{route: [{destination: {host: s%d}}]}]}\n", i, i, i)
			}
			set := config.Set{}.With(parse(b, text.String())...)
			snap, problems := config.Build(set, model.Snapshot{}, nil)
			require.Empty(b, problems.Text())
			change := parse(b, "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: s1}\nspec: {hosts: [s1], http: [{timeout: 1s, route: [{destination: {host: s1}}]}]}\n")
			changed := set.With(change...)
			for b.Loop() {
				config.Build(changed, snap, nil)
			}
		})
	}
}
