package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
)

// contents lists what a snapshot holds, so that two that were built in different ways can be compared.
func contents(s model.Snapshot) map[string]any {
	out := map[string]any{}
	for k, v := range s.Services.All() {
		out["service "+k] = v
	}
	for k, v := range s.Endpoints.All() {
		out["endpoints "+k] = v
	}
	for k, v := range s.Workloads.All() {
		out["workload "+k] = v
	}
	for k, v := range s.Gateways.All() {
		out["gateway "+k] = v
		for i, r := range s.GatewayRules(k) {
			out[fmt.Sprintf("gateway rule %s %d", k, i)] = r
		}
	}
	for k, v := range s.VirtualServices.All() {
		out["rule "+k] = v
	}
	for k, v := range s.DestinationRules.All() {
		out["policy "+k] = v
	}
	for h, list := range s.MeshRuleHosts {
		out["mesh rules "+h] = list
	}
	return out
}

// step is one change of the documents of some services: what matters to others, what does not, and what is wrong.
func step(t *rapid.T) string {
	i := rapid.IntRange(0, 3).Draw(t, "service")
	n := rapid.IntRange(1, 3).Draw(t, "n")
	rule := func(spec string) string {
		return fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: s%d}\nspec: %s\n", i, spec)
	}
	policy := func(spec string) string {
		return fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: s%d}\nspec: {host: s%d.test, %s}\n", i, i, spec)
	}
	entry := func(ports, endpoints string) string {
		return fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s%d}\nspec: {hosts: [s%d.test], resolution: STATIC, ports: [%s], endpoints: [%s]}\n", i, i, ports, endpoints)
	}
	const port = "{number: 80, name: http, protocol: HTTP}"
	return rapid.SampledFrom([]string{
		rule(fmt.Sprintf("{hosts: [s%d.test], http: [{timeout: %ds, route: [{destination: {host: s%d.test}}]}]}", i, n, i)),
		rule(fmt.Sprintf("{hosts: [s%d.test], http: [{route: [{destination: {host: s%d.test, subset: v%d}}]}]}", i, i, n)),
		rule(fmt.Sprintf("{hosts: [s%d.test], http: [{route: [{destination: {host: s%d.test}}]}]}", n, i)), // may take another's host
		rule(fmt.Sprintf("{hosts: [unknown%d.default.svc.cluster.local], http: [{route: [{destination: {host: s%d.test}}]}]}", n, i)),
		rule(fmt.Sprintf("{hosts: [s%d.test], http: [{delegate: {name: d}}]}", i)),
		rule(fmt.Sprintf("{hosts: ['*'], gateways: [g], http: [{route: [{destination: {host: s%d.test, port: {number: 80}}}]}]}", i)),
		"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: d}\nspec: {http: [{route: [{destination: {host: s1.test}}]}]}\n",
		fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {servers: [{port: {number: %d, name: http, protocol: HTTP}, hosts: ['*']}]}\n", 8080+n),
		policy(fmt.Sprintf("subsets: [{name: v1, labels: {v: a}}, {name: v%d, labels: {v: b}}]", n+1)),
		policy(fmt.Sprintf("trafficPolicy: {connectionPool: {tcp: {maxConnections: %d}}}", n)),
		policy(fmt.Sprintf("subsets: [{name: v1, labels: {v: a}}, {name: v2, labels: {v: b}}, {name: v3, labels: {v: c}}], trafficPolicy: {connectionPool: {tcp: {maxConnections: %d}}}", n)),
		entry(port, fmt.Sprintf("{address: 127.0.0.%d}", n)),
		entry(port, fmt.Sprintf("{address: 127.0.0.%d, labels: {v: b}}, {address: 127.0.1.1}", n)),
		entry(fmt.Sprintf("{number: %d, name: http, protocol: HTTP}", 80+n), "{address: 127.0.0.1}"),
	}).Draw(t, "document")
}

// However a mesh came to its documents, one document after another gives what all at once give: the same snapshot, and
// the same findings.
func TestStepByStepGivesWhatAllAtOnceGives(t *testing.T) {
	var text strings.Builder
	for i := range 4 {
		fmt.Fprintf(&text, "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s%d}\nspec: {hosts: [s%d.test], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1}]}\n", i, i)
	}
	start := config.Set{}.With(parse(t, text.String())...)
	rapid.Check(t, func(t *rapid.T) {
		var m config.Builder
		set := start
		snap, problems := m.Build(set, model.Snapshot{}, nil)
		require.Empty(t, problems.Text())
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			var next config.Set
			if set.Len() > 0 && rapid.IntRange(0, 5).Draw(t, "remove") == 0 {
				docs := set.Documents()
				d := docs[rapid.IntRange(0, len(docs)-1).Draw(t, "which")]
				next = set.Without(d.Kind, d.Namespace, d.Name)
			} else {
				docs, problems := config.Parse(config.File{Name: "step.yaml", Data: []byte(step(t))})
				require.Empty(t, problems.Text())
				next = set.With(docs...)
			}
			got, found := m.Build(next, snap, nil)
			want, expected := config.Build(next, snap, nil)
			require.Equal(t, expected.Text(), found.Text())
			require.Equal(t, contents(want), contents(got))
			if found.HasErrors() {
				continue
			}
			set, snap = next, got
		}
	})
}

// A change costs what changed: the same work, however many services there are.
func BenchmarkBuilder(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var text strings.Builder
			for i := range n {
				fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Service\nmetadata: {name: s%d}\nspec: {selector: {app: s%d}, ports: [{name: http, port: 80}]}\n", i, i)
				fmt.Fprintf(&text, "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: s%d}\nspec: {hosts: [s%d], http: [{route: [{destination: {host: s%d}}]}]}\n", i, i, i)
			}
			set := config.Set{}.With(parse(b, text.String())...)
			var m config.Builder
			snap, problems := m.Build(set, model.Snapshot{}, nil)
			require.Empty(b, problems.Text())
			var steps [2]config.Set
			for i := range steps {
				steps[i] = set.With(parse(b, fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: s1}\nspec: {hosts: [s1], http: [{timeout: %ds, route: [{destination: {host: s1}}]}]}\n", i+1))...)
			}
			for i := 0; b.Loop(); i++ {
				snap, _ = m.Build(steps[i%2], snap, nil)
			}
		})
	}
}
