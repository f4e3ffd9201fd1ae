// Package collect takes what the proxies of a lab report, access logs and spans, at the sockets where they look for somebody who
// does.
package collect

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/als"
	"github.com/squallmesh/squall/mesh/telemetry/otlp"
	"github.com/squallmesh/squall/mesh/telemetry/zipkin"
)

// Collector holds what has been reported.
type Collector struct {
	Ledger telemetry.Ledger
	Spans  *zipkin.Store
	// AccessLogs and Traces are where it listens, with the ports that the system chose.
	AccessLogs, Traces string

	cancel context.CancelFunc
	group  errgroup.Group

	mu sync.Mutex
	// kept are the spans in the order in which they came, for From; skipped is how many were dropped before them.
	kept    []telemetry.Span
	skipped int
	max     int
	// earlier is how many spans came before this collector began, where it follows another.
	earlier int
}

// Options of a collector.
type Options struct {
	// AccessLogs and Traces are the paths of the sockets, or where to listen for TCP, host:port.
	AccessLogs, Traces string
	// MaxSpans bounds what SpansFrom can give; older ones are dropped. 0 takes 200,000.
	MaxSpans int
}

// Start listens at both sockets, and collects until Close.
func Start(ctx context.Context, o Options) (*Collector, error) {
	if o.MaxSpans == 0 {
		o.MaxSpans = zipkin.DefaultMaxSpans
	}
	c := &Collector{Spans: zipkin.NewStore(o.MaxSpans), max: o.MaxSpans}
	logs, err := listen(ctx, o.AccessLogs)
	if err != nil {
		return nil, fmt.Errorf("access log collector: %w", err)
	}
	traces, err := listen(ctx, o.Traces)
	if err != nil {
		_ = logs.Close()
		return nil, fmt.Errorf("span collector: %w", err)
	}
	c.AccessLogs, c.Traces = logs.Addr().String(), traces.Addr().String()
	// The collectors outlive the run's own context: what was sent before its end still counts.
	ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	// Tracers that speak OpenTelemetry find somebody where access logs go.
	register := func(to grpc.ServiceRegistrar) {
		otlp.Register(to, func(spans []telemetry.Span) { c.Report(spans...) })
	}
	c.group.Go(func() error { return als.New(als.Options{Sink: c.Ledger.Add, Register: register}).Serve(ctx, logs) })
	c.group.Go(func() error { return zipkin.Serve(ctx, traces, c.Spans, c.received) })
	return c, nil
}

func listen(ctx context.Context, at string) (net.Listener, error) {
	network := "unix"
	if !strings.HasPrefix(at, "/") {
		network = "tcp"
	}
	return new(net.ListenConfig).Listen(ctx, network, at)
}

// Report takes spans as if a proxy had sent them.
func (c *Collector) Report(spans ...telemetry.Span) {
	c.Spans.Add(spans...)
	c.received(spans)
}

func (c *Collector) received(spans []telemetry.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, spans...)
	if over := len(c.kept) - c.max; over > c.max/10 {
		c.kept = append([]telemetry.Span(nil), c.kept[over:]...)
		c.skipped += over
	}
}

// SpansFrom gives the spans that came after the first n, in the order in which they came, and how many have come in all.
func (c *Collector) SpansFrom(n int) (spans []telemetry.Span, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(spans, c.kept[min(max(0, n-c.skipped), len(c.kept)):]...), c.skipped + len(c.kept)
}

// SpanCount is how many spans have been reported.
func (c *Collector) SpanCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.earlier + c.skipped + len(c.kept)
}

// Close ends it, and returns when nothing is under way.
func (c *Collector) Close() error {
	c.cancel()
	return c.group.Wait()
}
