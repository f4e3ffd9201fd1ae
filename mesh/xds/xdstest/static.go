package xdstest

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// StaticBootstraps gives, for each proxy of a mesh, a bootstrap that holds all that discovery would send, and asks nobody:
// what an Envoy takes by itself. Listeners take any free port. Admin, and what collects telemetry, are left to the caller.
func StaticBootstraps(snap model.Snapshot, proxies []*model.Proxy) ([]envoy.BootstrapOptions, error) {
	t := translate.New()
	t.Update(snap)
	var out []envoy.BootstrapOptions
	for _, p := range proxies {
		t.SetProxy(p)
		o := envoy.BootstrapOptions{NodeID: p.ID}
		view := t.View(p.ID)
		for _, r := range view.All(translate.Cluster) {
			o.Clusters = append(o.Clusters, staticCluster(r.Message.(*clusterv3.Cluster), view))
		}
		for _, r := range view.All(translate.Listener) {
			l, err := staticListener(r.Message.(*listenerv3.Listener), view)
			if err != nil {
				return nil, fmt.Errorf("listener %s of %s: %w", r.Name, p.ID, err)
			}
			o.Listeners = append(o.Listeners, l)
		}
		out = append(out, o)
	}
	return out, nil
}

func staticCluster(c *clusterv3.Cluster, view *translate.View) *clusterv3.Cluster {
	if c.GetType() != clusterv3.Cluster_EDS {
		return c
	}
	c = proto.CloneOf(c)
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	c.EdsClusterConfig = nil
	c.LoadAssignment = &endpointv3.ClusterLoadAssignment{ClusterName: c.GetName()}
	if r := view.Get(translate.Endpoint, c.GetName()); r != nil {
		c.LoadAssignment = r.Message.(*endpointv3.ClusterLoadAssignment)
	}
	return c
}

func staticListener(l *listenerv3.Listener, view *translate.View) (*listenerv3.Listener, error) {
	l = proto.CloneOf(l)
	l.GetAddress().GetSocketAddress().PortSpecifier = &corev3.SocketAddress_PortValue{}
	for _, chain := range l.GetFilterChains() {
		for _, f := range chain.GetFilters() {
			var hcm hcmv3.HttpConnectionManager
			if !f.GetTypedConfig().MessageIs(&hcm) {
				continue
			}
			if err := f.GetTypedConfig().UnmarshalTo(&hcm); err != nil {
				return nil, err
			}
			r := view.Get(translate.Route, hcm.GetRds().GetRouteConfigName())
			if r == nil {
				return nil, fmt.Errorf("there is no route table %q", hcm.GetRds().GetRouteConfigName())
			}
			hcm.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: r.Message.(*routev3.RouteConfiguration)}
			packed, err := anypb.New(&hcm)
			if err != nil {
				return nil, err
			}
			f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: packed}
		}
	}
	return l, nil
}
