package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	uuidv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/request_id/uuid/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// zipkinCluster is one of a proxy's bootstrap.
const zipkinCluster = "zipkin"

// trace makes a connection manager report spans, to the lab's store whatever the tracer is.
func (r *reader) trace(hcm *hcmv3.HttpConnectionManager, direction corev3.TrafficDirection) {
	t := r.mesh().Tracing(r.telemetries(), sideOf(direction))
	if !t.ByRequestID {
		hcm.RequestIdExtension = &hcmv3.RequestIDExtension{TypedConfig: packed(&uuidv3.UuidRequestIdConfig{
			PackTraceReason: wrapperspb.Bool(true), UseRequestIdForTraceSampling: wrapperspb.Bool(false),
		})}
	}
	if t.Disabled { // trace headers pass as they came
		return
	}
	all := &typev3.Percent{Value: 100}
	hcm.Tracing = &hcmv3.HttpConnectionManager_Tracing{
		RandomSampling: &typev3.Percent{Value: t.Sampling}, ClientSampling: all, OverallSampling: all,
		Provider: r.tracer(t.Provider),
	}
	if p := t.Provider; p != nil && p.MaxTagLength != 0 {
		hcm.Tracing.MaxPathTagLength = wrapperspb.UInt32(p.MaxTagLength)
	}
	for _, tag := range t.Tags {
		hcm.Tracing.CustomTags = append(hcm.Tracing.CustomTags, spanTag(tag))
	}
}

func (r *reader) tracer(p *model.TracingProvider) *tracev3.Tracing_Http {
	if p != nil && p.OpenTelemetry {
		return &tracev3.Tracing_Http{
			Name: "envoy.tracers.opentelemetry",
			ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: packed(&tracev3.OpenTelemetryConfig{
				GrpcService: grpcService(accessLogCluster, "", 0), ServiceName: r.scope.service,
			})},
		}
	}
	config := &tracev3.ZipkinConfig{
		CollectorCluster:         zipkinCluster,
		CollectorEndpoint:        "/api/v2/spans",
		CollectorEndpointVersion: tracev3.ZipkinConfig_HTTP_JSON,
		TraceId_128Bit:           true,
		SharedSpanContext:        wrapperspb.Bool(false),
	}
	if p != nil && p.W3C {
		config.TraceContextOption = tracev3.ZipkinConfig_USE_B3_WITH_W3C_PROPAGATION
	}
	return &tracev3.Tracing_Http{
		Name:       "envoy.tracers.zipkin",
		ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: packed(config)},
	}
}

func spanTag(t *model.SpanTag) *tracingv3.CustomTag {
	out := &tracingv3.CustomTag{Tag: t.Name}
	switch {
	case t.Environment != "":
		out.Type = &tracingv3.CustomTag_Environment_{Environment: &tracingv3.CustomTag_Environment{Name: t.Environment, DefaultValue: t.Default}}
	case t.Header != "":
		out.Type = &tracingv3.CustomTag_RequestHeader{RequestHeader: &tracingv3.CustomTag_Header{Name: t.Header, DefaultValue: t.Default}}
	case t.Format != "":
		out.Type = &tracingv3.CustomTag_Value{Value: t.Format}
	default:
		out.Type = &tracingv3.CustomTag_Literal_{Literal: &tracingv3.CustomTag_Literal{Value: t.Literal}}
	}
	return out
}
