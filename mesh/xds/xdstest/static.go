package xdstest

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// StaticBootstraps gives, for each proxy of a mesh, a bootstrap that holds all that discovery would send, and asks nobody:
// what an Envoy takes by itself. Listeners take any free port. Admin, and what collects telemetry, are left to the caller. The
// identity is all proxies' own, in a mesh that has identities; else it may be nil.
func StaticBootstraps(snap model.Snapshot, proxies []*model.Proxy, identity *Identity) ([]envoy.BootstrapOptions, error) {
	t := translate.New()
	t.Update(snap)
	var out []envoy.BootstrapOptions
	for _, p := range proxies {
		t.SetProxy(p)
		o := envoy.BootstrapOptions{NodeID: p.ID}
		view := t.View(p.ID)
		if r := view.Get(translate.Secret, translate.RootSecret); r != nil {
			o.Secrets = []*tlsv3.Secret{r.Message.(*tlsv3.Secret), {
				Name: translate.WorkloadSecret, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: identity.Certificate},
			}}
		}
		for _, r := range view.All(translate.Cluster) {
			c, err := staticCluster(r.Message.(*clusterv3.Cluster), view)
			if err != nil {
				return nil, fmt.Errorf("cluster %s of %s: %w", r.Name, p.ID, err)
			}
			o.Clusters = append(o.Clusters, c)
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

func staticCluster(c *clusterv3.Cluster, view *translate.View) (*clusterv3.Cluster, error) {
	c = proto.CloneOf(c)
	for _, m := range c.GetTransportSocketMatches() {
		if err := staticSocket(m.GetTransportSocket(), &tlsv3.UpstreamTlsContext{}); err != nil {
			return nil, err
		}
	}
	if err := staticSocket(c.GetTransportSocket(), &tlsv3.UpstreamTlsContext{}); err != nil {
		return nil, err
	}
	if c.GetType() != clusterv3.Cluster_EDS {
		return c, nil
	}
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	c.EdsClusterConfig = nil
	c.LoadAssignment = &endpointv3.ClusterLoadAssignment{ClusterName: c.GetName()}
	if r := view.Get(translate.Endpoint, c.GetName()); r != nil {
		c.LoadAssignment = r.Message.(*endpointv3.ClusterLoadAssignment)
	}
	return c, nil
}

// tlsContext is what either side of TLS is configured with.
type tlsContext interface {
	proto.Message
	GetCommonTlsContext() *tlsv3.CommonTlsContext
}

// staticSocket makes a socket take the secrets of the bootstrap in place of those that it would ask for.
func staticSocket(s *corev3.TransportSocket, tls tlsContext) error {
	if !s.GetTypedConfig().MessageIs(tls) {
		return nil
	}
	if err := s.GetTypedConfig().UnmarshalTo(tls); err != nil {
		return err
	}
	common := tls.GetCommonTlsContext()
	for _, c := range common.GetTlsCertificateSdsSecretConfigs() {
		c.SdsConfig = nil
	}
	if v := common.GetCombinedValidationContext().GetValidationContextSdsSecretConfig(); v != nil {
		v.SdsConfig = nil
	}
	packed, err := anypb.New(tls)
	if err != nil {
		return err
	}
	s.ConfigType = &corev3.TransportSocket_TypedConfig{TypedConfig: packed}
	return nil
}

func staticListener(l *listenerv3.Listener, view *translate.View) (*listenerv3.Listener, error) {
	l = proto.CloneOf(l)
	if at := l.GetAddress().GetSocketAddress(); at != nil {
		at.PortSpecifier = &corev3.SocketAddress_PortValue{}
	}
	for _, chain := range l.GetFilterChains() {
		if err := staticSocket(chain.GetTransportSocket(), &tlsv3.DownstreamTlsContext{}); err != nil {
			return nil, err
		}
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
			if err := staticFilters(hcm.GetHttpFilters(), view); err != nil {
				return nil, err
			}
			packed, err := anypb.New(&hcm)
			if err != nil {
				return nil, err
			}
			f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: packed}
		}
	}
	return l, nil
}

// staticFilters puts in place what Envoy would ask for filter by filter.
func staticFilters(filters []*hcmv3.HttpFilter, view *translate.View) error {
	for _, f := range filters {
		if f.GetConfigDiscovery() == nil {
			continue
		}
		r := view.Get(translate.Extension, f.GetName())
		if r == nil {
			return fmt.Errorf("there is no configuration of filter %q", f.GetName())
		}
		f.ConfigType = &hcmv3.HttpFilter_TypedConfig{TypedConfig: r.Message.(*corev3.TypedExtensionConfig).GetTypedConfig()}
	}
	return nil
}
