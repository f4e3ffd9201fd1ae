package als

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// Options of a server.
type Options struct {
	// Sink gets each hop, by several goroutines at once; it is not called after Serve has returned. Required.
	Sink func(telemetry.Hop)
	// Workload tells which workload's proxy a node id belongs to. nil, or false: Node says it.
	Workload func(nodeID string) (workload, namespace string, known bool)
	// Register adds services to the server; nil adds none.
	Register func(grpc.ServiceRegistrar)
}

// Server is an access log service.
type Server struct {
	accesslogv3.UnimplementedAccessLogServiceServer

	opts Options

	mu     sync.Mutex
	counts map[string]int
}

// New makes a server that is not serving yet.
func New(opts Options) *Server { return &Server{opts: opts, counts: map[string]int{}} }

// maxMessage is more than a buffer that an Envoy sends at once (16 KiB by default).
const maxMessage = 64 << 20

// Serve receives on a listener, which it closes, until ctx ends; that is no error. What Envoys hold back at that time is
// lost: wait with telemetry.Ledger first.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.WaitForHandlers(true))
	accesslogv3.RegisterAccessLogServiceServer(server, s)
	if s.opts.Register != nil {
		s.opts.Register(server)
	}
	stop := context.AfterFunc(ctx, server.Stop)
	err := server.Serve(listener)
	if stop() {
		server.Stop()
	}
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) && ctx.Err() == nil {
		return fmt.Errorf("access log service: %w", err)
	}
	return nil
}

// Counts is the number of entries received by node id.
func (s *Server) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// StreamAccessLogs is what Envoys call: one stream for each of their logs and worker threads.
func (s *Server) StreamAccessLogs(stream accesslogv3.AccessLogService_StreamAccessLogsServer) error {
	var from *sender
	for {
		message, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return stream.SendAndClose(&accesslogv3.StreamAccessLogsResponse{})
		case err != nil:
			return err
		}
		if id := message.GetIdentifier(); id != nil { // in the first message only
			from = newSender(id, s.opts.Workload)
		}
		if from == nil {
			return status.Error(codes.InvalidArgument, "the first message has no identifier")
		}
		s.take(from, message)
	}
}

func (s *Server) take(from *sender, message *accesslogv3.StreamAccessLogsMessage) {
	var hops []telemetry.Hop
	for _, e := range message.GetHttpLogs().GetLogEntry() {
		if !e.GetCommonProperties().GetIntermediateLogEntry() { //nolint:staticcheck // older Envoys set this one
			hops = append(hops, from.httpHop(e))
		}
	}
	for _, e := range message.GetTcpLogs().GetLogEntry() {
		if !e.GetCommonProperties().GetIntermediateLogEntry() { //nolint:staticcheck // older Envoys set this one
			hops = append(hops, from.tcpHop(e))
		}
	}
	for i := range hops {
		s.opts.Sink(hops[i])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[from.proxy] += len(hops)
}
