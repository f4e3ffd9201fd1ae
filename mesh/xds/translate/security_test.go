package translate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// identified is a mesh whose workloads have identities.
func identified(capture model.Capture) model.Snapshot {
	m := model.DefaultMesh()
	m.Capture = capture
	return model.Snapshot{Mesh: m, Trust: &model.Trust{Roots: "the roots in PEM"}}
}

// secured gives what productpage's sidecar gets with a file of rules of testdata/security.
func secured(t *testing.T, name string, capture model.Capture) (*translate.Translator, *translate.View, []*model.Workload) {
	t.Helper()
	set, workloads := shop(t, "virtual-service-all-v1")
	for _, w := range workloads {
		w.ServiceAccount = "bookinfo-" + w.Labels["app"]
	}
	if name != "" {
		data, err := os.ReadFile(filepath.Join("testdata", "security", name+".yaml"))
		require.NoError(t, err)
		docs, problems := config.Parse(config.File{Name: name + ".yaml", Data: data})
		require.NoError(t, problems.Err())
		set = set.With(docs...)
	}
	tr := translate.New()
	tr.Update(build(t, set, identified(capture), workloads))
	page := sidecar(workloads[1])
	tr.SetProxy(page)
	return tr, tr.View(page.ID), workloads
}

// only keeps the resources of one host, and the proxy's own.
func only(v *translate.View, host string) *translate.View {
	out := &translate.View{Own: v.Own}
	for typ, table := range v.Shared {
		for name, r := range table.All() {
			if strings.Contains(name, host) || translate.Type(typ) == translate.Secret {
				out.Shared[typ] = out.Shared[typ].Set(name, r)
			}
		}
	}
	return out
}

// What a file of security rules makes of productpage's listeners and of its calls to reviews. Rewrite with -update.
func TestGoldenSecurity(t *testing.T) {
	dir := "testdata/security"
	written := map[string]bool{}
	rules, err := filepath.Glob(dir + "/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, rules)
	for _, rule := range rules {
		name := strings.TrimSuffix(filepath.Base(rule), ".yaml")
		written[name+".yaml"] = true
		t.Run(name, func(t *testing.T) {
			capture := model.CaptureProxy
			if strings.HasSuffix(name, "-pods") {
				capture = model.CaptureRedirect
			}
			_, view, _ := secured(t, name, capture)
			view = only(view, "reviews")
			for _, typ := range []translate.Type{translate.Cluster, translate.Endpoint, translate.Listener, translate.Route, translate.Secret, translate.Extension} {
				golden(t, filepath.Join(dir, name+"."+strings.ToLower(typ.String())+".json"), dump(t, view, typ), written)
			}
		})
	}
	noOrphans(t, dir, written)
}

// A change of mode must not touch the connections that have mTLS: their filter chain stays the same to the byte.
func TestTheChainOfMTLSIsTheSameInStrictAndPermissive(t *testing.T) {
	for _, capture := range []model.Capture{model.CaptureProxy, model.CaptureRedirect} {
		_, permissive, _ := secured(t, "", capture)
		_, strict, _ := secured(t, "strict", capture)
		before, after := mutualChains(permissive), mutualChains(strict)
		require.NotEmpty(t, before)
		require.Equal(t, before, after)
	}
}

// Endpoints that take no mTLS are not offered it, one by one.
func TestAutoMTLSFollowsEachEndpoint(t *testing.T) {
	_, view, workloads := secured(t, "reviews-v2-disabled", model.CaptureProxy)
	modes := map[string]bool{}
	for address, mutual := range mutualEndpoints(view, "outbound|9080||reviews.default.svc.cluster.local") {
		for _, w := range workloads {
			if w.Address == address {
				modes[w.Owner] = mutual
			}
		}
	}
	require.Equal(t, map[string]bool{"reviews-v1": true, "reviews-v2": false, "reviews-v3": true}, modes)
}

func TestAMeshWithoutIdentitiesIsPlainText(t *testing.T) {
	set, workloads := shop(t)
	tr := translate.New()
	tr.Update(build(t, set, model.Snapshot{}, workloads))
	page := sidecar(workloads[1])
	tr.SetProxy(page)
	require.Empty(t, mutualChains(tr.View(page.ID)))
	require.Zero(t, tr.View(page.ID).Len(translate.Secret))
}
