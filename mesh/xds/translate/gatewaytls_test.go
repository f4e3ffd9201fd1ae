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
