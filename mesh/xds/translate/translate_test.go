package translate_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"pgregory.net/rapid"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// shop gives Bookinfo's manifests with some of its rule sets, and a workload per Deployment at made-up addresses.
func shop(t *testing.T, rules ...string) (config.Set, []*model.Workload) {
	t.Helper()
	names := []string{"manifests/bookinfo.yaml", "rules/destination-rule-all.yaml"}
	for _, r := range rules {
		names = append(names, "rules/"+r+".yaml")
	}
	var set config.Set
	for _, name := range names {
		data, err := bookinfo.Files.ReadFile(name)
		require.NoError(t, err)
		docs, problems := config.Parse(config.File{Name: name, Data: data})
		require.NoError(t, problems.Err())
		set = set.With(docs...)
	}
	services := config.Services(set, "")
	var out []*model.Workload
	for i, inst := range config.Instances(set) {
		w := &model.Workload{
			Name: inst.Name, Owner: inst.Owner, Namespace: inst.Namespace, Labels: inst.Labels, Address: fmt.Sprintf("127.16.%d.1", i+1),
			ProxyPort: 15001,
		}
		for _, s := range services {
			if model.Labels(inst.Labels, s.Selector) && len(s.Selector) > 0 {
				w.Inbound = append(w.Inbound, model.Inbound{
					Host: s.Host, Port: 9080, Protocol: model.HTTP,
					Listen: model.Socket{Address: w.Address, Port: 9080},
					App:    model.Socket{Address: fmt.Sprintf("127.16.%d.2", i+1), Port: 9080},
				})
			}
		}
		out = append(out, w)
	}
	return set, out
}

func build(t require.TestingT, set config.Set, base model.Snapshot, workloads []*model.Workload) model.Snapshot {
	snap, problems := config.Build(set, base, workloads)
	require.NoError(t, problems.Err())
	return snap
}

var gateway = &model.Proxy{ID: "router~istio-ingressgateway.istio-system", Kind: model.Router, Workload: &model.Workload{
	Name: "istio-ingressgateway", Namespace: "istio-system", Address: "127.16.0.1",
	Labels: map[string]string{"istio": "ingressgateway"},
}}

func sidecar(w *model.Workload) *model.Proxy {
	return &model.Proxy{ID: "sidecar~" + w.Name, Kind: model.Sidecar, Workload: w}
}

// Each rule set's effect on productpage's sidecar and on the gateway, one file per type, so that a diff says what
// changed. Rewrite with: go test ./mesh/xds/translate -update .
func TestGolden(t *testing.T) {
	dir := "testdata/golden"
	written := map[string]bool{}
	for _, rule := range []string{
		"bookinfo-gateway", "virtual-service-all-v1", "virtual-service-reviews-test-v2", "virtual-service-reviews-80-20",
		"virtual-service-ratings-test-delay", "virtual-service-ratings-test-abort", "virtual-service-reviews-jason-v2-v3",
	} {
		t.Run(rule, func(t *testing.T) {
			set, workloads := shop(t, rule)
			tr := translate.New()
			tr.Update(build(t, set, model.Snapshot{}, workloads))
			page := sidecar(workloads[1])
			tr.SetProxy(gateway)
			tr.SetProxy(page)
			view := page.ID
			if rule == "bookinfo-gateway" {
				view = gateway.ID
			}
			for _, typ := range []translate.Type{translate.Cluster, translate.Endpoint, translate.Listener, translate.Route} {
				if rule != "bookinfo-gateway" && rule != "virtual-service-all-v1" && typ != translate.Route {
					continue
				}
				golden(t, filepath.Join(dir, rule+"."+strings.ToLower(typ.String())+".json"), dump(t, tr.View(view), typ), written)
			}
		})
	}
	noOrphans(t, dir, written)
}

// golden compares with a file, or writes it with -update, and notes its name.
func golden(t *testing.T, name string, got []byte, written map[string]bool) {
	t.Helper()
	written[filepath.Base(name)] = true
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
		require.NoError(t, os.WriteFile(name, got, 0o600))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err, "rewrite with -update")
	require.Equal(t, string(want), string(got))
}

// noOrphans fails for files that no test wrote.
func noOrphans(t *testing.T, dir string, written map[string]bool) {
	t.Helper()
	files, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	for _, f := range files {
		if !written[filepath.Base(f)] {
			require.True(t, *update, "%s belongs to no test; -update removes it", f)
			require.NoError(t, os.Remove(f))
		}
	}
}

// dump writes resources as JSON whose form does not depend on the library's random spacing.
func dump(t *testing.T, v *translate.View, typ translate.Type) []byte {
	t.Helper()
	all := map[string]json.RawMessage{}
	for name, r := range v.All(typ) {
		b, err := protojson.Marshal(r.Message)
		require.NoError(t, err)
		all[name] = b
	}
	b, err := json.MarshalIndent(all, "", " ")
	require.NoError(t, err)
	return append(b, '\n')
}

// Whatever changes in whatever order, the translator must end with what a fresh one makes of the last snapshot.
func TestIncrementalEqualsFromScratch(t *testing.T) {
	pool := []string{
		"bookinfo-gateway", "virtual-service-all-v1", "virtual-service-reviews-test-v2", "virtual-service-reviews-80-20",
		"virtual-service-reviews-v3", "virtual-service-ratings-test-delay", "destination-rule-reviews", "destination-rule-all",
	}
	base, workloads := shop(t)
	files := map[string][]*config.Document{}
	for _, name := range pool {
		data, err := bookinfo.Files.ReadFile("rules/" + name + ".yaml")
		require.NoError(t, err)
		docs, problems := config.Parse(config.File{Name: name, Data: data})
		require.NoError(t, problems.Err())
		files[name] = docs
	}
	proxies := []*model.Proxy{gateway, sidecar(workloads[1]), sidecar(workloads[3])}
	rapid.Check(t, func(t *rapid.T) {
		tr := translate.New()
		set, live := base, workloads
		snap := build(t, set, model.Snapshot{}, live)
		tr.Update(snap)
		for _, p := range proxies {
			tr.SetProxy(p)
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				docs := files[rapid.SampledFrom(pool).Draw(t, "removed")]
				for _, d := range docs {
					if d.Kind == "VirtualService" {
						set = set.Without(d.Kind, d.Namespace, d.Name)
					}
				}
			case 1:
				n := rapid.IntRange(2, len(workloads)).Draw(t, "workloads")
				live = workloads[:n]
			case 2:
				f := &model.LeasedFault{
					Host: "ratings.default.svc.cluster.local", Abort: &model.Abort{HTTPStatus: 500, Percent: 100},
					Armed: rapid.Bool().Draw(t, "armed"),
				}
				if rapid.Bool().Draw(t, "from") {
					f.From = map[string]string{"app": "reviews"}
				}
				snap.Faults = snap.Faults.Set(f.Host, &model.LeasedFaults{List: []*model.LeasedFault{f}})
			default:
				set = set.With(files[rapid.SampledFrom(pool).Draw(t, "applied")]...)
			}
			next, problems := config.Build(set, snap, live)
			if problems.HasErrors() {
				t.Skip("the rules contradict each other")
			}
			next.Faults = snap.Faults
			snap = next
			tr.Update(snap)
		}
		fresh := translate.New()
		fresh.Update(snap)
		for _, p := range proxies {
			fresh.SetProxy(p)
			a, b := tr.View(p.ID), fresh.View(p.ID)
			for typ := range translate.NumTypes {
				require.Equal(t, versions(b, typ), versions(a, typ), "%s of %s", typ, p.ID)
			}
		}
	})
}

func versions(v *translate.View, typ translate.Type) map[string]string {
	out := map[string]string{}
	for name, r := range v.All(typ) {
		out[name] = r.Version
	}
	return out
}

// A change marshals what it changes, and nothing else: here one route table, shared by all sidecars.
func TestAChangeMarshalsOnlyWhatItChanges(t *testing.T) {
	set, workloads := shop(t, "virtual-service-all-v1")
	tr := translate.New()
	snap := build(t, set, model.Snapshot{}, workloads)
	tr.Update(snap)
	for _, w := range workloads {
		tr.SetProxy(sidecar(w))
	}
	data, err := bookinfo.Files.ReadFile("rules/virtual-service-reviews-v3.yaml")
	require.NoError(t, err)
	docs, problems := config.Parse(config.File{Name: "v3", Data: data})
	require.NoError(t, problems.Err())
	before := tr.Marshals
	tr.Update(build(t, set.With(docs...), snap, workloads))
	require.Equal(t, 1, tr.Marshals-before)
}

// A relay stands in for an endpoint where its own caller looks, and nowhere else; ports stay.
func TestARelayIsSeenByItsCallerAlone(t *testing.T) {
	set, workloads := shop(t)
	tr := translate.New()
	tr.Update(build(t, set, model.Snapshot{}, workloads))
	var page, ratings *model.Workload
	for _, w := range workloads {
		switch w.Labels["app"] {
		case "productpage":
			page = w
		case "ratings":
			ratings = w
		}
	}
	relayed := *page
	relayed.Name = "relayed"
	relayed.Relays = map[string]string{ratings.Address: "127.16.9.9"}
	tr.SetProxy(sidecar(page))
	tr.SetProxy(sidecar(&relayed))
	addresses := func(w *model.Workload) string {
		r := tr.View(sidecar(w).ID).Get(translate.Endpoint, "outbound|9080||ratings.default.svc.cluster.local")
		require.NotNil(t, r)
		data, err := protojson.Marshal(r.Message)
		require.NoError(t, err)
		return string(data)
	}
	require.Contains(t, addresses(page), ratings.Address)
	require.NotContains(t, addresses(&relayed), ratings.Address)
	require.Regexp(t, `"address": ?"127.16.9.9", ?"portValue": ?9080`, addresses(&relayed))
}
