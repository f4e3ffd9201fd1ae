package translate

import (
	"strings"
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	celv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/filters/cel/v3"
	grpclogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/squallmesh/squall/mesh/model"
)

// accessLogCluster is one of a proxy's bootstrap.
const accessLogCluster = "als-grpc"

// logFlush is how long an access log entry may wait for others.
const logFlush = 20 * time.Millisecond

// loggedHeaders are the request headers that access log entries carry.
var loggedHeaders = []string{
	"x-request-id", "x-b3-traceid", "x-b3-spanid", "traceparent", "x-envoy-attempt-count", "end-user", "x-envoy-original-path",
}

// accessLogs are squall's own log, which no rule cuts, and those that the mesh's users ask for.
func (r *reader) accessLogs(direction corev3.TrafficDirection, evidence func(*grpclogv3.CommonGrpcAccessLogConfig) *accesslogv3.AccessLog) []*accesslogv3.AccessLog {
	rules := r.telemetries()
	common := commonLog(direction)
	common.CustomTags = append(common.CustomTags, metricTags(model.MetricChanges(rules, sideOf(direction)))...)
	out := []*accesslogv3.AccessLog{evidence(common)}
	for _, l := range r.mesh().AccessLogs(rules, sideOf(direction)) {
		out = append(out, fileLog(l))
	}
	return out
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
		GrpcService: grpcService(accessLogCluster, "", 0),
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

func httpEvidence(common *grpclogv3.CommonGrpcAccessLogConfig) *accesslogv3.AccessLog {
	return &accesslogv3.AccessLog{
		Name: "envoy.access_loggers.http_grpc",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&grpclogv3.HttpGrpcAccessLogConfig{
			CommonConfig: common, AdditionalRequestHeadersToLog: loggedHeaders,
		})},
	}
}

func tcpEvidence(common *grpclogv3.CommonGrpcAccessLogConfig) *accesslogv3.AccessLog {
	return &accesslogv3.AccessLog{
		Name:       "envoy.access_loggers.tcp_grpc",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&grpclogv3.TcpGrpcAccessLogConfig{CommonConfig: common})},
	}
}

// istioText is the line that Istio logs. Source: https://istio.io/latest/docs/tasks/observability/logs/access-log/
const istioText = `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ` +
	`%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ` +
	`%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" ` +
	`%UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%` + "\n"

// istioFields are those of the object that Istio logs. Source: as above.
var istioFields = []model.LogField{
	{Name: "authority", Format: "%REQ(:AUTHORITY)%"},
	{Name: "bytes_received", Format: "%BYTES_RECEIVED%"},
	{Name: "bytes_sent", Format: "%BYTES_SENT%"},
	{Name: "connection_termination_details", Format: "%CONNECTION_TERMINATION_DETAILS%"},
	{Name: "downstream_local_address", Format: "%DOWNSTREAM_LOCAL_ADDRESS%"},
	{Name: "downstream_remote_address", Format: "%DOWNSTREAM_REMOTE_ADDRESS%"},
	{Name: "duration", Format: "%DURATION%"},
	{Name: "method", Format: "%REQ(:METHOD)%"},
	{Name: "path", Format: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
	{Name: "protocol", Format: "%PROTOCOL%"},
	{Name: "request_id", Format: "%REQ(X-REQUEST-ID)%"},
	{Name: "requested_server_name", Format: "%REQUESTED_SERVER_NAME%"},
	{Name: "response_code", Format: "%RESPONSE_CODE%"},
	{Name: "response_code_details", Format: "%RESPONSE_CODE_DETAILS%"},
	{Name: "response_flags", Format: "%RESPONSE_FLAGS%"},
	{Name: "route_name", Format: "%ROUTE_NAME%"},
	{Name: "start_time", Format: "%START_TIME%"},
	{Name: "upstream_cluster", Format: "%UPSTREAM_CLUSTER_RAW%"},
	{Name: "upstream_host", Format: "%UPSTREAM_HOST%"},
	{Name: "upstream_local_address", Format: "%UPSTREAM_LOCAL_ADDRESS%"},
	{Name: "upstream_service_time", Format: "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"},
	{Name: "upstream_transport_failure_reason", Format: "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
	{Name: "user_agent", Format: "%REQ(USER-AGENT)%"},
	{Name: "x_forwarded_for", Format: "%REQ(X-FORWARDED-FOR)%"},
}

// fileLog is a log that a proxy writes for people.
func fileLog(l model.AccessLog) *accesslogv3.AccessLog {
	format := &corev3.SubstitutionFormatString{OmitEmptyValues: l.OmitEmpty}
	if l.JSON {
		fields := l.Fields
		if len(fields) == 0 {
			fields = istioFields
		}
		object := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		for _, f := range fields {
			object.Fields[f.Name] = structpb.NewStringValue(f.Format)
		}
		format.Format = &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: object}
	} else {
		text := l.Text
		if text == "" {
			text = istioText
		}
		if !strings.HasSuffix(text, "\n") { // as Istio does
			text += "\n"
		}
		format.Format = &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: text},
		}}
	}
	out := &accesslogv3.AccessLog{
		Name: "envoy.access_loggers.file",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&filelogv3.FileAccessLog{
			Path: l.Path, AccessLogFormat: &filelogv3.FileAccessLog_LogFormat{LogFormat: format},
		})},
	}
	if l.Filter != "" {
		out.Filter = &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ExtensionFilter{
			ExtensionFilter: &accesslogv3.ExtensionFilter{
				Name:       "envoy.access_loggers.extension_filters.cel",
				ConfigType: &accesslogv3.ExtensionFilter_TypedConfig{TypedConfig: packed(&celv3.ExpressionFilter{Expression: l.Filter})},
			},
		}}
	}
	return out
}
