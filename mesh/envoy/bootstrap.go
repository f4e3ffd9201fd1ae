package envoy

import (
	"errors"
	"fmt"
	"math"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	internallistenerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	downstreamconnectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Names of the static clusters. They are Istio's where Istio has one.
const (
	ClusterXDS       = "xds-grpc"
	ClusterAccessLog = "als-grpc"
	ClusterZipkin    = "zipkin"
	ClusterSDS       = "sds-grpc"
)

// DefaultStatsFlushInterval is used if BootstrapOptions.StatsFlushInterval is 0.
const DefaultStatsFlushInterval = time.Second

// BootstrapOptions are what an Envoy is told at its start. Only NodeID and Admin are required.
type BootstrapOptions struct {
	NodeID   string
	Cluster  string // the node's cluster; empty means NodeID
	Locality Locality
	Metadata map[string]string

	// Admin is where the admin interface listens: "unix:///path" or "host:port"; port 0 lets the kernel choose.
	Admin string

	// XDS is the control plane, "unix:///path" or "host:port" (HTTP/2 without TLS). Empty means that all config is static.
	XDS string
	// StateOfTheWorld asks for the full variant of the aggregated discovery instead of the delta one.
	StateOfTheWorld bool
	// InitialFetchTimeout is how long the start waits for listeners, clusters and each run-time layer. 0 means Envoy's 15 s;
	// negative means for ever, as Istio has it.
	InitialFetchTimeout time.Duration
	// Leases is how many run-time layers "lease-0", "lease-1" ... come by RTDS. They override RuntimeValues, and later ones
	// override earlier ones. The control plane must answer for each, or the start waits for InitialFetchTimeout. 0 means none.
	Leases int

	AccessLog string // the access log service (gRPC), as XDS; empty means no cluster als-grpc
	Zipkin    string // the Zipkin collector (HTTP/1), as XDS; empty means no cluster zipkin
	SDS       string // who has the workload's certificate and key (gRPC), as XDS; empty means no cluster sds-grpc

	// SourceAddress is the IP address that upstream sockets are bound to; empty leaves the choice to the kernel.
	SourceAddress string
	// SocketMark marks upstream sockets (SO_MARK, Linux; needs CAP_NET_ADMIN), so that packet filters know them. 0 means none.
	SocketMark uint32
	// Runtime is the static run-time layer, over that of [DefaultRuntime]; a nil value removes a default. Values are bool,
	// int, float64 or string.
	Runtime map[string]any
	// StatsFlushInterval is how often histograms are merged and so become visible; counters are visible at once. 0 means
	// DefaultStatsFlushInterval.
	StatsFlushInterval time.Duration
	// MaxDownstreamConnections is the limit over all listeners but admin. 0 means 2147483647: Envoy warns if there is no limit.
	MaxDownstreamConnections int64

	// Listeners, Clusters and Secrets are static ones beside those above.
	Listeners []*listenerv3.Listener
	Clusters  []*clusterv3.Cluster
	Secrets   []*tlsv3.Secret
}

// Locality is where a node is. All parts may be empty.
type Locality struct{ Region, Zone, SubZone string }

// DefaultRuntime is the static run-time layer before BootstrapOptions.Runtime: spans leave within 50 ms, each as soon as it
// is there.
func DefaultRuntime() map[string]any {
	return map[string]any{
		"tracing.zipkin.flush_interval_ms": 50,
		"tracing.zipkin.min_flush_spans":   1,

		"tracing.opentelemetry.flush_interval_ms": 50,
		"tracing.opentelemetry.min_flush_spans":   1,
	}
}

// Bootstrap renders opts. Errors name the option that is wrong, all of them at once.
func Bootstrap(opts BootstrapOptions) (*bootstrapv3.Bootstrap, error) {
	var errs []error
	check := func(option string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", option, err))
		}
	}
	if opts.NodeID == "" {
		check("NodeID", errors.New("it is empty: name the node"))
	}
	admin, err := parseAddress(opts.Admin)
	check("Admin", err)
	clusters, err := staticClusters(opts)
	check("static clusters", err)
	runtime, err := layeredRuntime(opts)
	check("Runtime", err)
	manager, err := clusterManager(opts)
	check("SourceAddress", err)
	if opts.Leases > 0 && opts.XDS == "" {
		check("Leases", errors.New("they come from the control plane: set XDS"))
	}
	if opts.Leases < 0 {
		check("Leases", fmt.Errorf("%d is negative", opts.Leases))
	}
	overload, err := overloadManager(opts)
	check("MaxDownstreamConnections", err)
	internal, err := anypb.New(&internallistenerv3.InternalListener{})
	check("internal listener", err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("bootstrap of Envoy %q: %w", opts.NodeID, err)
	}
	flush := opts.StatsFlushInterval
	if flush == 0 {
		flush = DefaultStatsFlushInterval
	}
	return &bootstrapv3.Bootstrap{
		Node:  node(opts),
		Admin: &bootstrapv3.Admin{Address: admin.proto(), IgnoreGlobalConnLimit: true},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{
			Listeners: opts.Listeners, Clusters: append(clusters, opts.Clusters...), Secrets: opts.Secrets,
		},
		DynamicResources: dynamicResources(opts),
		ClusterManager:   manager,
		LayeredRuntime:   runtime,
		OverloadManager:  overload,
		StatsConfig:      statsConfig(),
		BootstrapExtensions: []*corev3.TypedExtensionConfig{
			{Name: "envoy.bootstrap.internal_listener", TypedConfig: internal},
		},
		StatsFlushInterval: durationpb.New(flush),
	}, nil
}

func node(opts BootstrapOptions) *corev3.Node {
	n := &corev3.Node{Id: opts.NodeID, Cluster: opts.Cluster}
	if n.GetCluster() == "" {
		n.Cluster = opts.NodeID
	}
	if l := opts.Locality; l != (Locality{}) {
		n.Locality = &corev3.Locality{Region: l.Region, Zone: l.Zone, SubZone: l.SubZone}
	}
	if len(opts.Metadata) > 0 {
		n.Metadata = &structpb.Struct{Fields: make(map[string]*structpb.Value, len(opts.Metadata))}
		for k, v := range opts.Metadata {
			n.Metadata.Fields[k] = structpb.NewStringValue(v)
		}
	}
	return n
}

// Linux's socket(7).
const (
	solSocket = 1
	soMark    = 36
)

func clusterManager(opts BootstrapOptions) (*bootstrapv3.ClusterManager, error) {
	bind := &corev3.BindConfig{}
	if opts.SourceAddress != "" {
		if (address{host: opts.SourceAddress}).isName() {
			return nil, fmt.Errorf("%q is not an IP address", opts.SourceAddress)
		}
		bind.SourceAddress = socketAddress(opts.SourceAddress, 0)
	}
	if opts.SocketMark != 0 {
		bind.SocketOptions = []*corev3.SocketOption{{
			Description: "mark the proxy's own traffic",
			Level:       solSocket, Name: soMark, State: corev3.SocketOption_STATE_PREBIND,
			Value: &corev3.SocketOption_IntValue{IntValue: int64(opts.SocketMark)},
		}}
	}
	return &bootstrapv3.ClusterManager{UpstreamBindConfig: bind}, nil
}

func overloadManager(opts BootstrapOptions) (*overloadv3.OverloadManager, error) {
	limit := opts.MaxDownstreamConnections
	if limit == 0 {
		limit = math.MaxInt32
	}
	if limit < 0 {
		return nil, fmt.Errorf("%d is negative", limit)
	}
	config, err := anypb.New(&downstreamconnectionsv3.DownstreamConnectionsConfig{MaxActiveDownstreamConnections: limit})
	if err != nil {
		return nil, err
	}
	return &overloadv3.OverloadManager{ResourceMonitors: []*overloadv3.ResourceMonitor{{
		Name:       "envoy.resource_monitors.global_downstream_max_connections",
		ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: config},
	}}}, nil
}
