package otlp

import (
	"context"
	"strings"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// Register lets a server take traces. received gets the spans of each message, by several goroutines at once.
func Register(to grpc.ServiceRegistrar, received func([]telemetry.Span)) {
	collectorv1.RegisterTraceServiceServer(to, &server{received: received})
}

type server struct {
	collectorv1.UnimplementedTraceServiceServer

	received func([]telemetry.Span)
}

// Export is what tracers call. Spans that are refused are counted in the answer, as the protocol has it.
func (s *server) Export(_ context.Context, in *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	spans, err := Spans(in.GetResourceSpans())
	s.received(spans)
	out := &collectorv1.ExportTraceServiceResponse{}
	if err != nil {
		out.PartialSuccess = &collectorv1.ExportTracePartialSuccess{
			RejectedSpans: int64(strings.Count(err.Error(), "\n") + 1), ErrorMessage: err.Error(),
		}
	}
	return out, nil
}

// Client sends spans to a collector.
type Client struct {
	conn  *grpc.ClientConn
	trace collectorv1.TraceServiceClient
}

// NewClient makes one for a target, host:port, which is not dialled yet. Close it.
func NewClient(target string, options ...grpc.DialOption) (*Client, error) {
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, err
	}
	return &Client{conn, collectorv1.NewTraceServiceClient(conn)}, nil
}

// Send sends spans, and returns when they were taken.
func (c *Client) Send(ctx context.Context, spans []telemetry.Span) error {
	_, err := c.trace.Export(ctx, &collectorv1.ExportTraceServiceRequest{ResourceSpans: resourceSpans(spans)})
	return err
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }
