package collect

import (
	"context"
	"time"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/zipkin"
)

// Source is another collector, which is asked again and again.
type Source struct {
	// Every is how often it is asked.
	Every time.Duration
	// Requests and Connections are what each proxy had logged, and Spans how many spans there were, before the first News.
	Requests, Connections map[string]int
	Spans                 int
	// Next gives what came since the last call.
	Next func(context.Context) (News, error)
}

// News are hops and spans in the order in which they came.
type News struct {
	Hops  []telemetry.Hop
	Spans []telemetry.Span
}

// Follow collects what another collector reports from now on, until Close. A source that does not answer is asked again: what is
// missing shows when a run is to be judged.
func Follow(ctx context.Context, s Source) *Collector {
	c := &Collector{Spans: zipkin.NewStore(0), max: zipkin.DefaultMaxSpans, earlier: s.Spans}
	c.Ledger.Begin(s.Requests, s.Connections)
	ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.group.Go(func() error {
		tick := time.NewTicker(s.Every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			news, err := s.Next(ctx)
			if err != nil {
				continue
			}
			for _, h := range news.Hops {
				c.Ledger.Add(h)
			}
			c.Spans.Add(news.Spans...)
			c.received(news.Spans)
		}
	})
	return c
}
