package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
)

// hosts changes the health and the weights of two hosts, without Envoy's merge window and with it. Where Envoy keeps a
// change for the window the barrier takes as long, so the latter has no target.
func (b *bench) hosts(ctx context.Context) error {
	for _, workers := range []int{1, 4} {
		for _, settings := range []*model.Mesh{model.ExactMesh(), model.DefaultMesh()} {
			for _, kind := range []string{"health", "weight"} {
				if err := b.hostsIn(ctx, workers, settings, kind); err != nil {
					return fmt.Errorf("%s, %d workers: %w", kind, workers, err)
				}
			}
		}
	}
	return nil
}

// benchHeavy is the weight of one host where the other has 1. Envoy begins its cycle of weighted hosts at a point that it
// draws once per balancer, and goes back to it at every change: with a weight of 100 some starts (8 of 64) sent one of
// the first five requests to the light host after each change, which is no stale request.
const benchHeavy = 1_000_000

func (b *bench) hostsIn(ctx context.Context, workers int, settings *model.Mesh, kind string) error {
	backends, stop, err := startBackends(ctx)
	if err != nil {
		return err
	}
	defer stop()
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return err
	}
	var snaps []model.Snapshot
	for i := range backends {
		list := []model.Endpoint{backends[0].endpoint(), backends[1].endpoint()}
		if kind == "health" {
			list[1-i].Health = model.Unhealthy
		} else {
			list[0].Weight, list[1].Weight = 1, 1
			list[i].Weight = benchHeavy
		}
		snaps = append(snaps, benchSnapshot(settings, model.HTTP, list))
	}
	merged := settings.MergeWindow > 0
	count, name, note := b.flips/2, kind, "one Envoy, no merge window"
	if merged {
		name, note = kind+"_merged", fmt.Sprintf("one Envoy with the merge window of %s, waited out where it keeps a change; no target", settings.MergeWindow)
	}
	o := xdstest.SingleOptions{Snapshot: snaps[0], Workers: workers, Proxy: benchSidecar(model.Workload{ProxyPort: ports[0]})}
	var times []float64
	err = b.withSingle(ctx, o, func(s *xdstest.Single) error {
		p := newProber(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", ports[0])})
		defer p.close()
		for n := range count {
			begin := time.Now()
			if err := applyWithin(ctx, s, serve.Change{Snapshot: &snaps[(n+1)%2]}); err != nil {
				return err
			}
			times = append(times, milliseconds(time.Since(begin)))
			stale, probes := p.stale(ctx, fmt.Sprintf("http://host-0.test:%d/", benchPort), "", benchBackends[(n+1)%2:][:1], false)
			b.count(name, stale, probes)
		}
		return nil
	})
	if !merged {
		b.effective = append(b.effective, times...)
	}
	b.addP99(fmt.Sprintf("barrier.effective_p99_ms.%s.w%d", name, workers), times, note)
	return err
}
