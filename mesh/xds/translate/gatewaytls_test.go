package translate_test

import (
	"os"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

const tlsScenario = "../../../scenarios/catalog/ingress-tls/"

// front gives what the gateway of a namespace gets with the rules of the scenario ingress-tls.
func front(t *testing.T, namespace string) *translate.View {
	t.Helper()
	var files []config.File
	for _, name := range []string{"manifests.yaml", "credentials.yaml", "rules.yaml"} {
		data, err := os.ReadFile(tlsScenario + name)
		require.NoError(t, err)
		files = append(files, config.File{Name: name, Data: data})
	}
	docs, problems := config.Parse(files...)
	require.NoError(t, problems.Err())
	w := &model.Workload{Name: "gateway", Namespace: namespace, Labels: map[string]string{"istio": "ingressgateway"}, Address: "127.0.0.1"}
	tr := translate.New()
	tr.Update(build(t, config.Set{}.With(docs...), model.Snapshot{}, nil))
	tr.SetProxy(&model.Proxy{ID: "gateway", Kind: model.Router, Workload: w})
	return tr.View("gateway")
}

func TestAGatewayTellsItsServersApartByTheNameAskedFor(t *testing.T) {
	l := front(t, "istio-system").Get(translate.Listener, "0.0.0.0_8443").Message.(*listenerv3.Listener)
	names := map[string][]string{}
	for _, c := range l.GetFilterChains() {
		socket := "through"
		if s := c.GetTransportSocket(); s != nil {
			var context tlsv3.DownstreamTlsContext
			require.NoError(t, s.GetTypedConfig().UnmarshalTo(&context))
			socket = context.GetCommonTlsContext().GetTlsCertificateSdsSecretConfigs()[0].GetName()
		}
		names[socket] = c.GetFilterChainMatch().GetServerNames()
	}
	require.Equal(t, map[string][]string{
		"kubernetes://shop": {"shop.example.com"}, "kubernetes://bank": {"bank.example.com"}, "through": {"vault.example.com"},
	}, names)
}

// Envoy that has found a chain for TLS looks at none that does not ask for it: TLS of an app's own needs one, or it would be
// closed, or pass the workload's policies by.
func TestAnAppsOwnTLSReachesItsPort(t *testing.T) {
	for _, capture := range []model.Capture{model.CaptureProxy, model.CaptureRedirect} {
		tr := translate.New()
		m := identified(capture)
		docs, problems := config.Parse(config.File{Name: "deny.yaml", Data: []byte(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny}
spec: {action: DENY, rules: [{}]}
`)})
		require.NoError(t, problems.Err())
		w := &model.Workload{Name: "vault", Namespace: "default", Address: "127.0.0.1", Inbound: []model.Inbound{{
			Host: "vault", Port: 8443, Protocol: model.HTTPS, Listen: model.Socket{Address: "127.0.0.1", Port: 8443}, App: model.Socket{Address: "127.0.0.2", Port: 8443},
		}}}
		tr.Update(build(t, config.Set{}.With(docs...), m, []*model.Workload{w}))
		tr.SetProxy(sidecar(w))
		found := 0
		for name, r := range tr.View(sidecar(w).ID).Own[translate.Listener].All() {
			for _, c := range r.Message.(*listenerv3.Listener).GetFilterChains() {
				match := c.GetFilterChainMatch()
				if match.GetTransportProtocol() == "tls" && len(match.GetApplicationProtocols()) == 0 && c.GetName() == "inbound|8443||~tls" {
					found++
					require.Nil(t, c.GetTransportSocket(), name)
					require.Equal(t, "envoy.filters.network.rbac", c.GetFilters()[0].GetName(), name)
				}
			}
		}
		require.Equal(t, 1, found, capture)
	}
}

const tlsRoutes = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside}
spec:
  hosts: [reviews.example.org]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 8443, name: tls, protocol: TLS}]
  endpoints: [{address: 198.18.200.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside}
spec:
  hosts: [reviews.example.org]
  tls:
    - match: [{port: 8443, sniHosts: [reviews.example.org]}]
      route: [{destination: {host: reviews, port: {number: 9080}, subset: v2}}]
    - match: [{port: 9999, sniHosts: [reviews.example.org]}]
      route: [{destination: {host: reviews, port: {number: 9080}}}]
`

// A sidecar sends TLS that its app speaks by the name that is asked for; what has no route goes as before.
func TestASidecarRoutesTLSByTheNameAskedFor(t *testing.T) {
	for _, capture := range []model.Capture{model.CaptureProxy, model.CaptureRedirect} {
		set, workloads := shop(t, "virtual-service-all-v1")
		docs, problems := config.Parse(config.File{Name: "tls.yaml", Data: []byte(tlsRoutes)})
		require.NoError(t, problems.Err())
		tr := translate.New()
		tr.Update(build(t, set.With(docs...), identified(capture), workloads))
		page := sidecar(workloads[1])
		tr.SetProxy(page)
		var chains []*listenerv3.FilterChain
		for _, r := range tr.View(page.ID).All(translate.Listener) {
			l := r.Message.(*listenerv3.Listener)
			for _, c := range l.GetFilterChains() {
				if len(c.GetFilterChainMatch().GetServerNames()) > 0 {
					chains = append(chains, c)
					require.NotEmpty(t, l.GetListenerFilters(), "something must look at the name")
					require.Nil(t, l.GetFilterChains()[len(l.GetFilterChains())-1].GetFilterChainMatch(), "all else goes on")
				}
			}
		}
		require.Len(t, chains, 1, capture) // the other match is for another port
		require.Equal(t, []string{"reviews.example.org"}, chains[0].GetFilterChainMatch().GetServerNames())
		require.Contains(t, string(chains[0].GetFilters()[0].GetTypedConfig().GetValue()), "outbound|9080|v2|reviews.default.svc.cluster.local")
	}
}

// A proxy has the Secrets of its own namespace, and of no other.
func TestSecretsStayInTheirNamespace(t *testing.T) {
	have := func(namespace string) (out []string) {
		for name := range front(t, namespace).All(translate.Secret) {
			out = append(out, name)
		}
		return out
	}
	require.Equal(t, []string{"kubernetes://bank", "kubernetes://bank-cacert", "kubernetes://shop"}, have("istio-system"))
	require.Equal(t, []string{"kubernetes://alice", "kubernetes://authority-cacert", "kubernetes://mallory"}, have("default"))
	require.Empty(t, have("elsewhere"))
}
