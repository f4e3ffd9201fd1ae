package envoy

import (
	"errors"
	"fmt"
	"math"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Envoy waits between 0.5 s and 30 s before it dials a lost control plane again. On one machine that only makes "new rules
// arrive after it returns" slow.
const (
	xdsBackOff    = 50 * time.Millisecond
	xdsMaxBackOff = 500 * time.Millisecond
)

// staticConnectTimeout is for the collectors and the control plane, which are near.
const staticConnectTimeout = time.Second

func dynamicResources(opts BootstrapOptions) *bootstrapv3.Bootstrap_DynamicResources {
	if opts.XDS == "" {
		return nil
	}
	api := corev3.ApiConfigSource_DELTA_GRPC
	if opts.StateOfTheWorld {
		api = corev3.ApiConfigSource_GRPC
	}
	return &bootstrapv3.Bootstrap_DynamicResources{
		LdsConfig: overADS(opts.InitialFetchTimeout),
		CdsConfig: overADS(opts.InitialFetchTimeout),
		AdsConfig: &corev3.ApiConfigSource{
			ApiType:                   api,
			TransportApiVersion:       corev3.ApiVersion_V3,
			SetNodeOnFirstMessageOnly: true,
			GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
				ClusterName: ClusterXDS,
				RetryPolicy: &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{
					BaseInterval: durationpb.New(xdsBackOff),
					MaxInterval:  durationpb.New(xdsMaxBackOff),
				}},
			}}}},
		},
	}
}

// overADS is the source of what comes by the aggregated stream.
func overADS(initialFetch time.Duration) *corev3.ConfigSource {
	source := &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
	if initialFetch != 0 {
		source.InitialFetchTimeout = durationpb.New(max(initialFetch, 0)) // 0s disables it
	}
	return source
}

func staticClusters(opts BootstrapOptions) ([]*clusterv3.Cluster, error) {
	var clusters []*clusterv3.Cluster
	var errs []error
	for _, c := range []struct {
		name, address string
		http2         bool
	}{
		{ClusterXDS, opts.XDS, true},
		{ClusterAccessLog, opts.AccessLog, true},
		{ClusterZipkin, opts.Zipkin, false},
		{ClusterSDS, opts.SDS, true},
	} {
		if c.address == "" {
			continue
		}
		cluster, err := staticCluster(c.name, c.address, c.http2)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
			continue
		}
		clusters = append(clusters, cluster)
	}
	return clusters, errors.Join(errs...)
}

func staticCluster(name, at string, http2 bool) (*clusterv3.Cluster, error) {
	a, err := parseAddress(at)
	if err != nil {
		return nil, err
	}
	kind := clusterv3.Cluster_STATIC
	if a.isName() {
		kind = clusterv3.Cluster_STRICT_DNS
	}
	endpoint := a.proto()
	if pipe := endpoint.GetPipe(); pipe != nil {
		pipe.Mode = 0 // the server made the socket
	}
	cluster := &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: kind},
		ConnectTimeout:       durationpb.New(staticConnectTimeout),
		CircuitBreakers:      noLimits(),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: endpoint}},
			}}}},
		},
	}
	if http2 {
		options, err := anypb.New(&httpv3.HttpProtocolOptions{
			UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
				ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
					ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
						Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
					},
				},
			},
		})
		if err != nil {
			return nil, err
		}
		cluster.TypedExtensionProtocolOptions = map[string]*anypb.Any{
			"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options,
		}
	}
	return cluster, nil
}

// noLimits keeps the collectors from tripping a breaker: what they lose is evidence.
func noLimits() *clusterv3.CircuitBreakers {
	most := wrapperspb.UInt32(math.MaxUint32)
	var breakers clusterv3.CircuitBreakers
	for _, priority := range []corev3.RoutingPriority{corev3.RoutingPriority_DEFAULT, corev3.RoutingPriority_HIGH} {
		breakers.Thresholds = append(breakers.Thresholds, &clusterv3.CircuitBreakers_Thresholds{
			Priority: priority, MaxConnections: most, MaxPendingRequests: most, MaxRequests: most, MaxRetries: most,
		})
	}
	return &breakers
}
