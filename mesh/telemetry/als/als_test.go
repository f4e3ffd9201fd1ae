package als_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/als"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// start serves on a Unix socket and returns a client.
func start(t *testing.T, opts als.Options) (*als.Server, accesslogv3.AccessLogServiceClient) {
	t.Helper()
	dir, err := os.MkdirTemp("", "als") //nolint:usetesting // t.TempDir has long paths
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	path := filepath.Join(dir, "als.sock")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	s := als.New(opts)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return s, accesslogv3.NewAccessLogServiceClient(conn)
}

func socket(address string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

func identifier(node, log string) *accesslogv3.StreamAccessLogsMessage_Identifier {
	return &accesslogv3.StreamAccessLogsMessage_Identifier{Node: &corev3.Node{Id: node}, LogName: log}
}

func httpLogs(entries ...*datav3.HTTPAccessLogEntry) *accesslogv3.StreamAccessLogsMessage_HttpLogs {
	return &accesslogv3.StreamAccessLogsMessage_HttpLogs{
		HttpLogs: &accesslogv3.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: entries},
	}
}

func principal(uri string) *datav3.TLSProperties_CertificateProperties {
	return &datav3.TLSProperties_CertificateProperties{
		SubjectAltName: []*datav3.TLSProperties_CertificateProperties_SubjectAltName{{
			San: &datav3.TLSProperties_CertificateProperties_SubjectAltName_Uri{Uri: uri},
		}},
	}
}

func TestHTTP(t *testing.T) {
	var ledger telemetry.Ledger
	server, client := start(t, als.Options{Sink: ledger.Add})
	stream, err := client.StreamAccessLogs(t.Context())
	require.NoError(t, err)
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)
	entry := &datav3.HTTPAccessLogEntry{
		ProtocolVersion: datav3.HTTPAccessLogEntry_HTTP11,
		CommonProperties: &datav3.AccessLogCommon{
			StartTime: timestamppb.New(at), Duration: durationpb.New(1500 * time.Millisecond),
			TimeToFirstUpstreamRxByte: durationpb.New(time.Second),
			UpstreamRemoteAddress:     socket("127.1.0.3", 9080), UpstreamLocalAddress: socket("127.1.0.2", 40000),
			DownstreamRemoteAddress: socket("127.1.0.2", 40001), DownstreamLocalAddress: socket("127.1.0.9", 9080),
			UpstreamCluster: "outbound|9080|v1|reviews.default.svc.cluster.local", RouteName: "jason",
			UpstreamRequestAttemptCount: 3, UpstreamTransportFailureReason: "TLS_error", DownstreamTransportFailureReason: "none",
			ResponseFlags: &datav3.ResponseFlags{UpstreamRetryLimitExceeded: true, UpstreamConnectionFailure: true},
			TlsProperties: &datav3.TLSProperties{
				PeerCertificateProperties:  principal("spiffe://cluster.local/ns/default/sa/productpage"),
				LocalCertificateProperties: principal("spiffe://cluster.local/ns/default/sa/reviews"),
			},
		},
		Request: &datav3.HTTPRequestProperties{
			RequestMethod: corev3.RequestMethod_GET, Scheme: "http", Authority: "reviews:9080", Path: "/reviews/0",
			RequestId: "d1c2-9", UserAgent: "squall", RequestBodyBytes: 5, RequestHeadersBytes: 50,
			RequestHeaders: map[string]string{
				"x-b3-traceid": "463AC35C9F6413AD48485A3953BB6124", "x-b3-spanid": "a2fb4a1d1a96d312", "end-user": "jason",
				"x-envoy-attempt-count": "2", "x-envoy-original-path": "/old", "content-type": "application/grpc+proto",
			},
		},
		Response: &datav3.HTTPResponseProperties{
			ResponseCode: wrapperspb.UInt32(503), ResponseCodeDetails: "upstream_reset_before_response_started{x}",
			ResponseBodyBytes: 7, ResponseHeadersBytes: 70, ResponseTrailers: map[string]string{"grpc-status": "14"},
		},
	}
	intermediate := proto.Clone(entry).(*datav3.HTTPAccessLogEntry)
	intermediate.CommonProperties.IntermediateLogEntry = true //nolint:staticcheck // older Envoys set this one
	require.NoError(t, stream.Send(&accesslogv3.StreamAccessLogsMessage{
		Identifier: identifier("sidecar~productpage-v1-0.default", "outbound"), LogEntries: httpLogs(intermediate, entry),
	}))
	require.Empty(t, ledger.Wait(within(t, 5*time.Second), []string{"d1c2-9"}))
	require.Equal(t, []telemetry.Hop{{
		Time: at, Duration: 1500 * time.Millisecond, Proxy: "sidecar~productpage-v1-0.default",
		Workload: "productpage-v1-0", Namespace: "default", Direction: telemetry.Outbound, Protocol: "HTTP/1.1", GRPC: true,
		RequestID: "d1c2-9", TraceID: "463ac35c9f6413ad48485a3953bb6124", SpanID: "a2fb4a1d1a96d312",
		Method: "GET", Scheme: "http", Authority: "reviews:9080", Path: "/reviews/0", OriginalPath: "/old",
		EndUser: "jason", UserAgent: "squall", Status: 503, GRPCStatus: "14", Flags: []string{"URX", "UF"},
		Details: "upstream_reset_before_response_started{x}", Route: "jason",
		Cluster: "outbound|9080|v1|reviews.default.svc.cluster.local", UpstreamAddress: "127.1.0.3:9080",
		UpstreamLocal: "127.1.0.2:40000", UpstreamFailure: "TLS_error", UpstreamTime: time.Second, Attempts: 3, Attempt: 2,
		DownstreamRemote: "127.1.0.2:40001", DownstreamLocal: "127.1.0.9:9080", DownstreamFailure: "none",
		Principal:      "spiffe://cluster.local/ns/default/sa/productpage",
		LocalPrincipal: "spiffe://cluster.local/ns/default/sa/reviews",
		BytesReceived:  5, BytesSent: 7, HeaderBytesReceived: 50, HeaderBytesSent: 70,
	}}, ledger.All())

	// Later messages of a stream have no identifier. Without B3 the trace id comes from traceparent.
	require.NoError(t, stream.Send(&accesslogv3.StreamAccessLogsMessage{LogEntries: httpLogs(&datav3.HTTPAccessLogEntry{
		Request: &datav3.HTTPRequestProperties{RequestHeaders: map[string]string{
			"x-request-id": "second", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}},
	})}))
	require.Empty(t, ledger.Wait(within(t, 5*time.Second), []string{"second"}, "sidecar~productpage-v1-0.default"))
	require.Len(t, ledger.ByTrace("0af7651916cd43dd8448eb211c80319c"), 1)
	_, err = stream.CloseAndRecv()
	require.NoError(t, err)
	require.Equal(t, map[string]int{"sidecar~productpage-v1-0.default": 2}, server.Counts())
}

func TestTCP(t *testing.T) {
	var ledger telemetry.Ledger
	_, client := start(t, als.Options{
		Sink:     ledger.Add,
		Workload: func(id string) (string, string, bool) { return "tcp-echo-v1", "prod", id == "sidecar~x.y" },
	})
	stream, err := client.StreamAccessLogs(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&accesslogv3.StreamAccessLogsMessage{
		Identifier: identifier("sidecar~x.y", "inbound"),
		LogEntries: &accesslogv3.StreamAccessLogsMessage_TcpLogs{TcpLogs: &accesslogv3.StreamAccessLogsMessage_TCPAccessLogEntries{
			LogEntry: []*datav3.TCPAccessLogEntry{{
				CommonProperties: &datav3.AccessLogCommon{
					StreamId: "connection-1", ConnectionTerminationDetails: "idle", UpstreamCluster: "inbound|9000||",
				},
				ConnectionProperties: &datav3.ConnectionProperties{ReceivedBytes: 11, SentBytes: 22},
			}},
		}},
	}))
	require.Empty(t, ledger.Wait(within(t, 5*time.Second), []string{"connection-1"}))
	h := ledger.All()[0]
	require.True(t, h.TCP)
	require.Equal(t, []any{"tcp-echo-v1", "prod", telemetry.Inbound, "TCP", "idle", uint64(11), uint64(22), "-"},
		[]any{h.Workload, h.Namespace, h.Direction, h.Protocol, h.Details, h.BytesReceived, h.BytesSent, h.FlagString()})
}

func TestNoIdentifier(t *testing.T) {
	_, client := start(t, als.Options{Sink: func(telemetry.Hop) {}})
	stream, err := client.StreamAccessLogs(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&accesslogv3.StreamAccessLogsMessage{}))
	require.ErrorContains(t, stream.RecvMsg(&accesslogv3.StreamAccessLogsResponse{}), "the first message has no identifier")
}

// Every flag that the format has is told: a new one must get its letters.
func TestAllFlags(t *testing.T) {
	var ledger telemetry.Ledger
	_, client := start(t, als.Options{Sink: ledger.Add})
	stream, err := client.StreamAccessLogs(t.Context())
	require.NoError(t, err)
	all := &datav3.ResponseFlags{}
	fields := all.ProtoReflect().Descriptor().Fields()
	var ids []string
	for i := range fields.Len() {
		one := &datav3.ResponseFlags{}
		for _, f := range []*datav3.ResponseFlags{one, all} {
			m := f.ProtoReflect()
			if field := fields.Get(i); field.Kind() == protoreflect.BoolKind {
				m.Set(field, protoreflect.ValueOfBool(true))
			} else {
				m.Mutable(field)
			}
		}
		id := string(fields.Get(i).Name())
		ids = append(ids, id)
		require.NoError(t, stream.Send(flagged(id, one)))
	}
	require.NoError(t, stream.Send(flagged("all", all)))
	require.Empty(t, ledger.Wait(within(t, 5*time.Second), append(ids, "all")))
	seen := map[string]bool{}
	for _, id := range ids {
		flags := ledger.ByRequest(id)[0].Flags
		require.Len(t, flags, 1, id)
		require.False(t, seen[flags[0]], flags[0])
		seen[flags[0]] = true
	}
	require.Equal(t, "URX,LH,UH,UT,LR,UR,UF,UC,UO,NR,DI,FI,RL,UAEX,RLSE,DC,SI,IH,DPE,UMSDR,RFCF,NFCF,DT,UPE,NC,OM,DF,DR",
		ledger.ByRequest("all")[0].FlagString())
}

func flagged(id string, flags *datav3.ResponseFlags) *accesslogv3.StreamAccessLogsMessage {
	return &accesslogv3.StreamAccessLogsMessage{
		Identifier: &accesslogv3.StreamAccessLogsMessage_Identifier{Node: &corev3.Node{
			Id: "x", Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"WORKLOAD_NAME": structpb.NewStringValue("w")}},
		}},
		LogEntries: httpLogs(&datav3.HTTPAccessLogEntry{
			CommonProperties: &datav3.AccessLogCommon{ResponseFlags: flags}, Request: &datav3.HTTPRequestProperties{RequestId: id},
		}),
	}
}

func TestNode(t *testing.T) {
	for id, want := range map[string][3]any{
		"sidecar~reviews-v1-0.default":                                    {"reviews-v1-0", "default", false},
		"router~istio-ingressgateway-0.istio-system":                      {"istio-ingressgateway-0", "istio-system", true},
		"sidecar~10.0.0.1~reviews-v1-0.default~default.svc.cluster.local": {"reviews-v1-0", "default", false},
		"edge.example": {"edge.example", "", false},
	} {
		name, namespace, gateway := als.Node(id)
		require.Equal(t, want, [3]any{name, namespace, gateway}, id)
	}
}
