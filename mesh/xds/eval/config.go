package eval

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	runtimev3 "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// Config is all that one Envoy is told, or says that it has. It must not be changed while it is in use.
type Config struct {
	Listeners []*listenerv3.Listener
	Routes    map[string]*routev3.RouteConfiguration
	Clusters  map[string]*clusterv3.Cluster
	Endpoints map[string]*endpointv3.ClusterLoadAssignment
	// Runtime holds the keys of runtime layers, with their values as percentages.
	Runtime map[string]float64

	sources map[string][]diag.Pos
}

func newConfig() *Config {
	return &Config{
		Routes: map[string]*routev3.RouteConfiguration{}, Clusters: map[string]*clusterv3.Cluster{},
		Endpoints: map[string]*endpointv3.ClusterLoadAssignment{}, Runtime: map[string]float64{}, sources: map[string][]diag.Pos{},
	}
}

// FromView takes what translate gives a proxy. The places of rules come along.
func FromView(v *translate.View) (*Config, error) {
	c := newConfig()
	for typ := range translate.NumTypes {
		for name, r := range v.All(typ) {
			if err := c.add(r.Message); err != nil {
				return nil, fmt.Errorf("%s %s: %w", typ, name, err)
			}
			c.sources[typ.String()+"/"+name] = r.Sources
		}
	}
	c.sort()
	return c, nil
}

// FromDump takes what a live Envoy says that it has (/config_dump?include_eds). It holds no runtime, and of the places of
// rules only those in the routes' metadata.
func FromDump(d *adminv3.ConfigDump) (*Config, error) {
	c := newConfig()
	var problems []error
	take := func(list ...*anypb.Any) {
		for _, a := range list {
			if a == nil {
				continue
			}
			m, err := a.UnmarshalNew()
			if err == nil {
				err = c.add(m)
			}
			if err != nil {
				problems = append(problems, fmt.Errorf("config dump: %s: %w", a.GetTypeUrl(), err))
			}
		}
	}
	for _, section := range d.GetConfigs() {
		m, err := section.UnmarshalNew()
		if err != nil {
			continue // a section that is of no matter here, of a type that this program does not know
		}
		switch s := m.(type) {
		case *adminv3.ListenersConfigDump:
			for _, l := range s.GetStaticListeners() {
				take(l.GetListener())
			}
			for _, l := range s.GetDynamicListeners() {
				take(l.GetActiveState().GetListener())
			}
		case *adminv3.ClustersConfigDump:
			for _, l := range s.GetStaticClusters() {
				take(l.GetCluster())
			}
			for _, l := range s.GetDynamicActiveClusters() {
				take(l.GetCluster())
			}
		case *adminv3.RoutesConfigDump:
			for _, l := range s.GetStaticRouteConfigs() {
				take(l.GetRouteConfig())
			}
			for _, l := range s.GetDynamicRouteConfigs() {
				take(l.GetRouteConfig())
			}
		case *adminv3.EndpointsConfigDump:
			for _, l := range s.GetStaticEndpointConfigs() {
				take(l.GetEndpointConfig())
			}
			for _, l := range s.GetDynamicEndpointConfigs() {
				take(l.GetEndpointConfig())
			}
		}
	}
	c.sort()
	return c, errors.Join(problems...)
}

func (c *Config) add(m proto.Message) error {
	switch m := m.(type) {
	case *listenerv3.Listener:
		c.Listeners = append(c.Listeners, m)
	case *routev3.RouteConfiguration:
		c.Routes[m.GetName()] = m
	case *clusterv3.Cluster:
		c.Clusters[m.GetName()] = m
	case *endpointv3.ClusterLoadAssignment:
		c.Endpoints[m.GetClusterName()] = m
	case *tlsv3.Secret, *corev3.TypedExtensionConfig: // whom the proxy trusts, and whose tokens: no part in routing
	case *runtimev3.Runtime:
		for key, v := range m.GetLayer().GetFields() {
			f := v.GetStructValue().GetFields()
			c.Runtime[key] = f["numerator"].GetNumberValue() / 10_000 // of a million
		}
	default:
		return fmt.Errorf("it is of a type that plays no part in routing: %T", m)
	}
	return nil
}

func (c *Config) sort() {
	slices.SortFunc(c.Listeners, func(a, b *listenerv3.Listener) int { return strings.Compare(a.GetName(), b.GetName()) })
}

func (c *Config) from(typ translate.Type, name string) []diag.Pos {
	return c.sources[typ.String()+"/"+name]
}
