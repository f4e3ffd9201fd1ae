package lint_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/lint"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/registry/static"
)

var update = flag.Bool("update", false, "rewrite what is wanted in testdata")

// input builds the rules of a file over the app of testdata.
func input(t *testing.T, name string, rules []byte) lint.Input {
	t.Helper()
	app, err := os.ReadFile("testdata/app.yaml")
	require.NoError(t, err)
	docs, problems := config.Parse(config.File{Name: "app.yaml", Data: app}, config.File{Name: name, Data: rules})
	set := config.Set{}.With(docs...)
	services := config.Services(set, "")
	router := &model.Workload{Name: "gateway", Namespace: "istio-system", Labels: map[string]string{"istio": "ingressgateway"}}
	workloads := []*model.Workload{router}
	proxies := []*model.Proxy{{ID: "gateway", Kind: model.Router, Workload: router}}
	for i, inst := range config.Instances(set) {
		workloads = append(workloads, &model.Workload{
			Name: inst.Name, Owner: inst.Owner, Namespace: inst.Namespace, Labels: inst.Labels,
			Address: fmt.Sprintf("127.1.0.%d", i+1), Inbound: static.Inbound(inst, services),
		})
	}
	for _, w := range workloads[1:] {
		proxies = append(proxies, &model.Proxy{ID: w.Name, Kind: model.Sidecar, Workload: w})
	}
	snap, more := config.Build(set, model.Snapshot{}, workloads)
	problems.Add(more...)
	require.NoError(t, problems.Err())
	host := func(name string) string { return name + ".default.svc.cluster.local" }
	return lint.Input{
		Set: set, Snapshot: snap, Routers: []*model.Workload{router}, Proxies: proxies,
		Calls: []lint.Call{{From: "front", To: host("shop")}, {From: "shop", To: host("stock")}},
	}
}

// Each rule finds what it is for and says why, and stays silent one step away from it. Rewrite what is wanted with:
// go test ./mesh/lint -run TestRules -update .
func TestRules(t *testing.T) {
	var tested []string
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	for _, file := range files {
		code := strings.TrimSuffix(filepath.Base(file), ".txtar")
		tested = append(tested, code)
		t.Run(code, func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			require.NoError(t, err)
			parts := map[string][]byte{}
			for _, f := range a.Files {
				parts[f.Name] = f.Data
			}
			var got strings.Builder
			of := map[string]int{}
			for _, f := range lint.Check(input(t, "hit.yaml", parts["hit.yaml"])) {
				fmt.Fprintf(&got, "%s\n", f)
				require.NotEmpty(t, f.Hint)
				require.NotZero(t, f.Pos.Col)
				of[f.Code]++
			}
			require.Positive(t, of[code], "%s", &got)
			for _, f := range lint.Check(input(t, "near.yaml", parts["near.yaml"])) {
				require.NotEqual(t, code, f.Code, "a near miss is found: %s", f)
			}
			if *update {
				a.Files[len(a.Files)-1].Data = []byte(got.String())
				require.NoError(t, os.WriteFile(file, txtar.Format(a), 0o600))
			}
			require.Equal(t, string(parts["want"]), got.String(), "rewrite with -update")
		})
	}
	var all []string
	for _, r := range lint.All() {
		all = append(all, r.Code)
	}
	require.Equal(t, all, tested, "every rule has its file, and the table is sorted")
}

// Each rule says what it is about, and names only scenarios that there are.
func TestTheTableIsWhole(t *testing.T) {
	for _, r := range lint.All() {
		require.True(t, strings.HasSuffix(r.Finds, "."), r.Code)
		require.True(t, strings.HasSuffix(r.Because, "."), r.Code)
		if r.Scenario != "" {
			require.FileExists(t, filepath.Join("..", "..", "scenarios", "catalog", r.Scenario, "scenario.yaml"), r.Code)
		}
	}
	require.True(t, slices.IsSortedFunc(lint.All(), func(a, b lint.Rule) int { return strings.Compare(a.Code, b.Code) }))
}

// What is not known is not judged: without workloads nothing counts endpoints, without calls nothing multiplies.
func TestNothingIsFoundInTheDark(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		require.NoError(t, err)
		in := input(t, "hit.yaml", a.Files[0].Data)
		snap, _ := config.Build(in.Set, model.Snapshot{}, nil)
		for _, f := range lint.Check(lint.Input{Set: in.Set, Snapshot: snap}) {
			require.NotContains(t, []string{
				"NEVER-EJECTS", "PANIC-UNDOES-EJECTION", "EMPTY-SUBSET", "RETRY-RESONANCE", "HASH-RETRIES-SAME-HOST", "LIMIT-PER-SIDECAR",
				"RETRIES-MULTIPLY", "REMOVED-HEADER", "GATEWAY-SELECTS-NOTHING",
			}, f.Code)
		}
	}
}
