package translate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// A TCP service and a host outside, beside Bookinfo.
const others = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: details}, ports: [{name: tcp, port: 9000, targetPort: 9001}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside}
spec:
  hosts: [api.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}]
  endpoints: [{address: 198.18.64.99}]
`

// captured is Bookinfo with the rules, as pods whose traffic the kernel redirects.
func captured(t *testing.T, edit func(*model.Mesh), rules ...string) (*translate.Translator, []*model.Workload) {
	t.Helper()
	set, workloads := shop(t, rules...)
	docs, problems := config.Parse(config.File{Name: "others.yaml", Data: []byte(others)})
	require.NoError(t, problems.Err())
	set = set.With(docs...)
	for i, w := range workloads {
		w.Address, w.ProxyPort = "198.18.64."+string(rune('1'+i)), 0
		for n := range w.Inbound {
			w.Inbound[n].Listen = model.Socket{}
			w.Inbound[n].App.Address = w.Address
		}
		if w.Labels["app"] == "details" {
			w.Inbound = append(w.Inbound, model.Inbound{
				Host: "db.default.svc.cluster.local", Port: 9000, Protocol: model.TCP, App: model.Socket{Address: w.Address, Port: 9001},
			})
		}
	}
	m := model.DefaultMesh()
	m.Capture = model.CaptureRedirect
	if edit != nil {
		edit(m)
	}
	tr := translate.New()
	tr.Update(build(t, set, model.Snapshot{Mesh: m}, workloads))
	for _, w := range workloads {
		tr.SetProxy(sidecar(w))
	}
	tr.SetProxy(gateway)
	return tr, workloads
}

func TestGoldenCapture(t *testing.T) {
	dir := "testdata/capture"
	written := map[string]bool{}
	tr, workloads := captured(t, nil, "virtual-service-all-v1")
	for name, w := range map[string]*model.Workload{"details": workloads[0], "productpage": workloads[1]} {
		for _, typ := range []translate.Type{translate.Cluster, translate.Endpoint, translate.Listener, translate.Route} {
			golden(t, filepath.Join(dir, name+"."+strings.ToLower(typ.String())+".json"), dump(t, tr.View(sidecar(w).ID), typ), written)
		}
	}
	noOrphans(t, dir, written)
}

// Where the mesh knows all hosts, what it does not know goes nowhere, over HTTP and over TCP.
func TestRegistryOnlyLetsNothingPass(t *testing.T) {
	tr, workloads := captured(t, func(m *model.Mesh) { m.RegistryOnly = true })
	view := tr.View(sidecar(workloads[1]).ID)
	table := view.Get(translate.Route, "9080").Message.(*routev3.RouteConfiguration)
	last := table.GetVirtualHosts()[len(table.GetVirtualHosts())-1]
	require.Equal(t, []string{"*"}, last.GetDomains())
	require.EqualValues(t, 502, last.GetRoutes()[0].GetDirectResponse().GetStatus())
	outbound, err := protojson.Marshal(view.Get(translate.Listener, "virtualOutbound").Message)
	require.NoError(t, err)
	require.Contains(t, string(outbound), translate.BlackHoleCluster)
	require.NotContains(t, string(outbound), translate.PassthroughCluster)
}

// Rules change routes and clusters, and no listener: open connections see them.
func TestRulesLeaveCapturingListenersAlone(t *testing.T) {
	before, workloads := captured(t, nil)
	after, _ := captured(t, nil, "virtual-service-all-v1", "virtual-service-ratings-test-delay")
	for _, w := range workloads {
		id := sidecar(w).ID
		require.Equal(t, versions(before.View(id), translate.Listener), versions(after.View(id), translate.Listener))
		require.NotEqual(t, versions(before.View(id), translate.Route), versions(after.View(id), translate.Route))
	}
}

// Envoy itself must take everything: listeners with their routes inside, and clusters.
func TestEnvoyTakesCapturedConfiguration(t *testing.T) {
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	binary, err := envoy.Find(t.Context(), envoy.FindOptions{Path: os.Getenv("PATH"), CacheDir: filepath.Join(cache, "squall")})
	require.NoError(t, err, "this test needs a real Envoy: run `make envoy`")
	tr, workloads := captured(t, nil, "virtual-service-all-v1", "virtual-service-ratings-test-delay")
	for _, w := range workloads[:2] {
		view := tr.View(sidecar(w).ID)
		opts := envoy.BootstrapOptions{
			NodeID: "node", Admin: "127.0.0.1:0", XDS: "127.0.0.1:1", AccessLog: "127.0.0.1:1", Zipkin: "127.0.0.1:1", SocketMark: 1337,
		}
		for _, r := range view.All(translate.Listener) {
			opts.Listeners = append(opts.Listeners, withRoutes(t, r.Message.(*listenerv3.Listener), view))
		}
		for _, r := range view.All(translate.Cluster) {
			opts.Clusters = append(opts.Clusters, r.Message.(*clusterv3.Cluster))
		}
		require.NotEmpty(t, opts.Listeners)
		b, err := envoy.Bootstrap(opts)
		require.NoError(t, err)
		out, err := exec.Command(binary.Path, "--mode", "validate", "--log-level", "warning", "--config-path", file(t, b)).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

func file(t *testing.T, b *bootstrapv3.Bootstrap) string {
	t.Helper()
	data, err := protojson.Marshal(b)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "bootstrap.json")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	return name
}

// withRoutes puts the route tables into a listener that would ask for them.
func withRoutes(t *testing.T, l *listenerv3.Listener, view *translate.View) *listenerv3.Listener {
	t.Helper()
	l = proto.CloneOf(l)
	for _, chain := range l.GetFilterChains() {
		for _, f := range chain.GetFilters() {
			var hcm hcmv3.HttpConnectionManager
			if !f.GetTypedConfig().MessageIs(&hcm) {
				continue
			}
			require.NoError(t, f.GetTypedConfig().UnmarshalTo(&hcm))
			table := view.Get(translate.Route, hcm.GetRds().GetRouteConfigName())
			require.NotNil(t, table, "nobody gives the route table %s", hcm.GetRds().GetRouteConfigName())
			hcm.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: table.Message.(*routev3.RouteConfiguration)}
			inside, err := anypb.New(&hcm)
			require.NoError(t, err)
			f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: inside}
		}
	}
	return l
}
