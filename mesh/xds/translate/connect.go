package translate

import (
	"fmt"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// An app that uses its sidecar as an HTTP proxy sends through a tunnel (CONNECT) what is no plain HTTP/1: gRPC, HTTPS, any TCP. The tunnel ends
// in a listener inside Envoy: for a port that speaks HTTP one for all hosts, in which rules hold for the requests as they do outside; for any
// other port one of the service's own, where its connections are what they would be at a socket.

// connectTo names the listener, and the cluster that leads to it, of the tunnels to a port that is not HTTP.
func connectTo(host string, port uint32) string {
	return fmt.Sprintf("%s|%d||%s", ConnectListener, port, host)
}

// buildConnect gives what takes the tunnels to HTTP.
func buildConnect(r *reader) {
	r.tunnel(internalListener(ConnectListener, r.httpFilter(connectionManager{
		statPrefix: "outbound_" + ConnectListener, table: HTTPProxyTable, direction: corev3.TrafficDirection_OUTBOUND,
	})))
}

// tunnel adds a listener without a socket, and the cluster that leads to it.
func (r *reader) tunnel(l *listenerv3.Listener) {
	name := l.GetName()
	c := r.newCluster(name)
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	c.CircuitBreakers = thresholds(nil, nil)
	c.LoadAssignment = &endpointv3.ClusterLoadAssignment{
		ClusterName: name,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: &corev3.Address{
				Address: &corev3.Address_EnvoyInternalAddress{EnvoyInternalAddress: &corev3.EnvoyInternalAddress{
					AddressNameSpecifier: &corev3.EnvoyInternalAddress_ServerListenerName{ServerListenerName: name},
				}},
			}}},
		}}}},
	}
	r.add(Cluster, name, c)
	r.add(Listener, name, l)
}

// internalListener has no socket: what comes out of a tunnel is handed to it.
func internalListener(name string, filter *listenerv3.Filter) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name: name, TrafficDirection: corev3.TrafficDirection_OUTBOUND,
		ListenerSpecifier: &listenerv3.Listener_InternalListener{InternalListener: &listenerv3.Listener_InternalListenerConfig{}},
		FilterChains:      []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{filter}}},
	}
}

// connectRoute opens the tunnels to one port of a host. Nothing is counted or traced here: what comes out of the tunnel is.
func connectRoute(p model.Port, host string) *routev3.Route {
	cluster := ConnectListener
	if !p.Protocol.IsHTTP() {
		cluster = connectTo(host, p.Number)
	}
	return &routev3.Route{
		Name:  ConnectListener,
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_ConnectMatcher_{ConnectMatcher: &routev3.RouteMatch_ConnectMatcher{}}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster},
			Timeout:          duration(0),
			UpgradeConfigs: []*routev3.RouteAction_UpgradeConfig{{
				UpgradeType: upgradeConnect, Enabled: wrapperspb.Bool(true), ConnectConfig: &routev3.RouteAction_UpgradeConfig_ConnectConfig{},
			}},
		}},
		Tracing: &routev3.Tracing{ClientSampling: never(), RandomSampling: never(), OverallSampling: never()},
	}
}

const upgradeConnect = "CONNECT"

func never() *typev3.FractionalPercent { return &typev3.FractionalPercent{} }

// takeTunnels makes a connection manager take CONNECT, of which only what fails is logged. Some clients (Python before 3.12) ask in HTTP/1.0.
func takeTunnels(hcm *hcmv3.HttpConnectionManager) {
	hcm.HttpProtocolOptions = &corev3.Http1ProtocolOptions{AcceptHttp_10: true}
	hcm.UpgradeConfigs = append(hcm.UpgradeConfigs, &hcmv3.HttpConnectionManager_UpgradeConfig{UpgradeType: upgradeConnect})
	other := &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_HeaderFilter{HeaderFilter: &accesslogv3.HeaderFilter{
		Header: &routev3.HeaderMatcher{
			Name: ":method", InvertMatch: true,
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Exact{Exact: upgradeConnect},
			}},
		},
	}}}
	failed := &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_StatusCodeFilter{
		StatusCodeFilter: &accesslogv3.StatusCodeFilter{Comparison: &accesslogv3.ComparisonFilter{
			Op: accesslogv3.ComparisonFilter_GE, Value: &corev3.RuntimeUInt32{DefaultValue: 300, RuntimeKey: "squall.connect.logged_from"},
		}},
	}}
	wanted := &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_OrFilter{
		OrFilter: &accesslogv3.OrFilter{Filters: []*accesslogv3.AccessLogFilter{other, failed}},
	}}
	for _, l := range hcm.GetAccessLog() {
		if l.GetFilter() == nil {
			l.Filter = wanted
			continue
		}
		l.Filter = &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_AndFilter{
			AndFilter: &accesslogv3.AndFilter{Filters: []*accesslogv3.AccessLogFilter{wanted, l.GetFilter()}},
		}}
	}
}
