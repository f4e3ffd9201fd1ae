package translate_test

import (
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/squallmesh/squall/mesh/xds/translate"
)

// mutualChains gives the filter chains of connections between sidecars, as text, by listener and name.
func mutualChains(v *translate.View) map[string]string {
	out := map[string]string{}
	for name, r := range v.All(translate.Listener) {
		for _, c := range r.Message.(*listenerv3.Listener).GetFilterChains() {
			if len(c.GetFilterChainMatch().GetApplicationProtocols()) > 0 {
				out[name+" "+c.GetName()] = (prototext.MarshalOptions{}).Format(c)
			}
		}
	}
	return out
}

// mutualEndpoints says which addresses of a cluster are called with mTLS.
func mutualEndpoints(v *translate.View, cluster string) map[string]bool {
	out := map[string]bool{}
	for _, l := range v.Get(translate.Endpoint, cluster).Message.(*endpointv3.ClusterLoadAssignment).GetEndpoints() {
		for _, e := range l.GetLbEndpoints() {
			mode := e.GetMetadata().GetFilterMetadata()["envoy.transport_socket_match"].GetFields()["tlsMode"].GetStringValue()
			out[e.GetEndpoint().GetAddress().GetSocketAddress().GetAddress()] = mode == "istio"
		}
	}
	return out
}
