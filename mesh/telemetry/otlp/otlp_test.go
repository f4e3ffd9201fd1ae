package otlp_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve takes spans at an address.
func serve(t *testing.T) (address string, received chan []telemetry.Span) {
	t.Helper()
	received = make(chan []telemetry.Span, 8)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	otlp.Register(server, func(s []telemetry.Span) { received <- s })
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	return listener.Addr().String(), received
}

// What is sent arrives as it was: ids, parents, kinds, times, tags, and who recorded it.
func TestThereAndBack(t *testing.T) {
	address, received := serve(t)
	client, err := otlp.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	want := []telemetry.Span{
		{
			TraceID: "0000000000000000000000000000002a", ID: "00000000000000aa", Kind: telemetry.Client, Name: "page", Timestamp: 1_700_000_000_000_001, Duration: 2500,
			LocalEndpoint: &telemetry.Endpoint{ServiceName: "front.default"}, Tags: map[string]string{"http.status_code": "200"},
		},
		{
			TraceID: "0000000000000000000000000000002a", ID: "00000000000000bb", ParentID: "00000000000000aa", Kind: telemetry.Server, Name: "page",
			Timestamp: 1_700_000_000_000_100, Duration: 1, LocalEndpoint: &telemetry.Endpoint{ServiceName: "page.default"},
			Tags: map[string]string{"error": "true"}, Annotations: []telemetry.Annotation{{Timestamp: 1_700_000_000_000_100, Value: "begun"}},
		},
	}
	require.NoError(t, client.Send(ctx, want))
	require.Equal(t, want, <-received)
}

// A tracer's own values become texts, and a span with an id that is none is refused alone.
func TestWhatComesFromOthers(t *testing.T) {
	address, received := serve(t)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	value := func(v *commonv1.AnyValue) *commonv1.KeyValue { return &commonv1.KeyValue{Key: "a", Value: v} }
	one := func(id byte, v *commonv1.AnyValue) *tracev1.Span {
		return &tracev1.Span{TraceId: []byte{15: 1}, SpanId: []byte{7: id}, Attributes: []*commonv1.KeyValue{value(v)}}
	}
	array := &commonv1.AnyValue{Value: &commonv1.AnyValue_ArrayValue{ArrayValue: &commonv1.ArrayValue{Values: []*commonv1.AnyValue{
		{Value: &commonv1.AnyValue_BoolValue{BoolValue: true}}, {Value: &commonv1.AnyValue_DoubleValue{DoubleValue: 0.5}},
	}}}}
	answer, err := collectorv1.NewTraceServiceClient(conn).Export(t.Context(), &collectorv1.ExportTraceServiceRequest{ResourceSpans: []*tracev1.ResourceSpans{{
		ScopeSpans: []*tracev1.ScopeSpans{{Spans: []*tracev1.Span{
			one(1, &commonv1.AnyValue{Value: &commonv1.AnyValue_IntValue{IntValue: 7}}), one(2, array), {TraceId: []byte{1}, SpanId: make([]byte, 8)},
		}}},
	}}})
	require.NoError(t, err)
	require.EqualValues(t, 1, answer.GetPartialSuccess().GetRejectedSpans())
	require.Contains(t, answer.GetPartialSuccess().GetErrorMessage(), "span id")
	spans := <-received
	require.Len(t, spans, 2)
	require.Equal(t, "7", spans[0].Tags["a"])
	require.Equal(t, `["true","0.5"]`, spans[1].Tags["a"])
}
