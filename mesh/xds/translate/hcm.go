package translate

import (
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	grpclogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	rbachttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// Names of the clusters of a proxy's bootstrap.
const (
	accessLogCluster = "als-grpc"
	zipkinCluster    = "zipkin"
)

// logFlush is how long an access log entry may wait for others.
const logFlush = 20 * time.Millisecond

// loggedHeaders are the request headers that access log entries carry.
var loggedHeaders = []string{
	"x-request-id", "x-b3-traceid", "x-b3-spanid", "traceparent", "x-envoy-attempt-count", "end-user", "x-envoy-original-path",
}

// connectionManager describes an HTTP connection manager; each carries every HTTP filter, so that rules need no
// listener update.
type connectionManager struct {
	statPrefix string
	table      string
	direction  corev3.TrafficDirection
	// edge is a gateway's: the client's own address and headers count.
	edge bool
	// tunnels says that it takes CONNECT.
	tunnels bool
	// mutual says that its connections have mTLS: the app is told who calls.
	mutual bool
}

func (r *reader) httpFilter(cm connectionManager) *listenerv3.Filter {
	sampling := &typev3.Percent{Value: r.mesh().Sampling}
	hcm := &hcmv3.HttpConnectionManager{
		StatPrefix: statName(cm.statPrefix),
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
			ConfigSource: ads(), RouteConfigName: cm.table,
		}},
		HttpFilters:               httpFilters(cm),
		StreamIdleTimeout:         duration(0),
		NormalizePath:             wrapperspb.Bool(true),
		UseRemoteAddress:          wrapperspb.Bool(cm.edge),
		PreserveExternalRequestId: true,
		ServerName:                "istio-envoy",
		AccessLog:                 []*accesslogv3.AccessLog{httpAccessLog(cm.direction)},
		UpgradeConfigs:            []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
		Tracing: &hcmv3.HttpConnectionManager_Tracing{
			RandomSampling:  sampling,
			ClientSampling:  &typev3.Percent{Value: 100},
			OverallSampling: &typev3.Percent{Value: 100},
			Provider: &tracev3.Tracing_Http{
				Name: "envoy.tracers.zipkin",
				ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: packed(&tracev3.ZipkinConfig{
					CollectorCluster:         zipkinCluster,
					CollectorEndpoint:        "/api/v2/spans",
					CollectorEndpointVersion: tracev3.ZipkinConfig_HTTP_JSON,
					TraceId_128Bit:           true,
					SharedSpanContext:        wrapperspb.Bool(false),
				})},
			},
		},
	}
	if cm.mutual {
		hcm.ForwardClientCertDetails = hcmv3.HttpConnectionManager_APPEND_FORWARD
		if cm.edge { // nobody vouches for what a client from outside says of others
			hcm.ForwardClientCertDetails = hcmv3.HttpConnectionManager_SANITIZE_SET
		}
		hcm.SetCurrentClientCertDetails = &hcmv3.HttpConnectionManager_SetCurrentClientCertDetails{
			Subject: wrapperspb.Bool(true), Dns: true, Uri: true,
		}
	}
	if cm.tunnels {
		takeTunnels(hcm)
	}
	return networkFilter("envoy.filters.network.http_connection_manager", hcm)
}

func httpFilters(cm connectionManager) []*hcmv3.HttpFilter {
	filter := func(name string, m proto.Message) *hcmv3.HttpFilter {
		return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(m)}}
	}
	var out []*hcmv3.HttpFilter
	if cm.edge || cm.direction == corev3.TrafficDirection_INBOUND {
		out = append(out,
			filter(AuthorizationFilter(model.Custom), &rbachttpv3.RBAC{ShadowRulesStatPrefix: customPrefix}),
			discovered(providerFilter, providerTypeURL),
			discovered(jwtFilter, jwtTypeURL),
		)
		for _, action := range authorizationActions {
			out = append(out, filter(AuthorizationFilter(action), &rbachttpv3.RBAC{ShadowRulesStatPrefix: dryRunPrefix(action)}))
		}
		// Behind them, so that who is refused uses up nobody's quota.
		out = append(out, discovered(localQuotaFilter, localQuotaTypeURL), discovered(globalQuotaFilter, globalQuotaTypeURL))
	}
	if cm.direction == corev3.TrafficDirection_OUTBOUND {
		out = append(out, filter(FaultFilter, &faultv3.HTTPFault{}))
		for i := range LeaseFilters {
			out = append(out, filter(LeaseFilter(i), &faultv3.HTTPFault{}))
		}
	}
	return append(out,
		filter(CORSFilter, &corsv3.Cors{}),
		filter("envoy.filters.http.router", &routerv3.Router{}),
	)
}

func networkFilter(name string, m proto.Message) *listenerv3.Filter {
	return &listenerv3.Filter{Name: name, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(m)}}
}

func commonLog(direction corev3.TrafficDirection) *grpclogv3.CommonGrpcAccessLogConfig {
	return &grpclogv3.CommonGrpcAccessLogConfig{
		LogName:             LogName(direction),
		TransportApiVersion: corev3.ApiVersion_V3,
		BufferFlushInterval: duration(logFlush),
		// The entry's own cluster is empty when no host was picked (a full breaker, no healthy host): the route's counts.
		CustomTags: []*tracingv3.CustomTag{
			logTag("cluster", "%UPSTREAM_CLUSTER_RAW%"),
			logTag("upstream_peer", "%UPSTREAM_PEER_URI_SAN%"),
			logTag("upstream_local", "%UPSTREAM_LOCAL_URI_SAN%"),
		},
		GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
			EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: accessLogCluster},
		}},
	}
}

func logTag(name, value string) *tracingv3.CustomTag {
	return &tracingv3.CustomTag{Tag: name, Type: &tracingv3.CustomTag_Value{Value: value}}
}

// LogName tells the entries of the two sides of a proxy apart: "inbound" or "outbound".
func LogName(direction corev3.TrafficDirection) string {
	if direction == corev3.TrafficDirection_INBOUND {
		return "inbound"
	}
	return "outbound"
}

func httpAccessLog(direction corev3.TrafficDirection) *accesslogv3.AccessLog {
	return &accesslogv3.AccessLog{
		Name: "envoy.access_loggers.http_grpc",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&grpclogv3.HttpGrpcAccessLogConfig{
			CommonConfig: commonLog(direction), AdditionalRequestHeadersToLog: loggedHeaders,
		})},
	}
}

func tcpAccessLog(direction corev3.TrafficDirection) *accesslogv3.AccessLog {
	return &accesslogv3.AccessLog{
		Name: "envoy.access_loggers.tcp_grpc",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&grpclogv3.TcpGrpcAccessLogConfig{
			CommonConfig: commonLog(direction),
		})},
	}
}
