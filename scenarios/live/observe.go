package live

import (
	"context"
	"fmt"
	"net"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/als"
	"github.com/squallmesh/squall/mesh/telemetry/zipkin"
)

// observers collect what the proxies report, at the sockets in the lab's folder.
type observers struct {
	ledger telemetry.Ledger
	spans  *zipkin.Store
	cancel context.CancelFunc
	group  errgroup.Group
}

func observe(ctx context.Context, dir string, received func([]telemetry.Span)) (*observers, error) {
	o := &observers{spans: zipkin.NewStore(0)}
	var lc net.ListenConfig
	logs, err := lc.Listen(ctx, "unix", filepath.Join(dir, local.AccessLogSocket))
	if err != nil {
		return nil, fmt.Errorf("access log collector: %w", err)
	}
	traces, err := lc.Listen(ctx, "unix", filepath.Join(dir, local.ZipkinSocket))
	if err != nil {
		_ = logs.Close()
		return nil, fmt.Errorf("span collector: %w", err)
	}
	// The collectors outlive the run's own context: what was sent before its end still counts.
	ctx, o.cancel = context.WithCancel(context.WithoutCancel(ctx))
	o.group.Go(func() error { return als.New(als.Options{Sink: o.ledger.Add}).Serve(ctx, logs) })
	o.group.Go(func() error { return zipkin.Serve(ctx, traces, o.spans, received) })
	return o, nil
}

func (o *observers) close() error {
	o.cancel()
	return o.group.Wait()
}
