package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/loadgen/pace"
	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform/local"
)

// benchLoad is the background load of the loaded runs, in requests per second.
const benchLoad = 200

// barrier changes the rules of a lab of four proxies again and again, and after each change sees whether a first request
// still finds the old rule: on an idle mesh, and on one under load.
func (b *bench) barrier(ctx context.Context) error {
	for _, workers := range []int{1, 4} {
		for _, loaded := range []bool{false, true} {
			if err := b.barrierIn(ctx, workers, loaded); err != nil {
				return fmt.Errorf("%d workers: %w", workers, err)
			}
		}
	}
	return nil
}

func (b *bench) barrierIn(ctx context.Context, workers int, loaded bool) error {
	return b.withLab(ctx, "backend", workers, nil, func(lab *local.Lab) error {
		v1, _ := lab.Instance("backend-v1")
		v2, _ := lab.Instance("backend-v2")
		base := baseRules(v1.Address)
		count, suffix := b.flips, ""
		if loaded {
			count, suffix = b.flips/4, ".loaded"
			if _, err := lab.Client().Apply(ctx, mesh.ApplyRequest{Files: base}); err != nil {
				return err
			}
			stop := b.background(ctx, lab, fmt.Sprintf("w%d", workers))
			defer stop()
		}
		for _, f := range flipsOf(count, v1.Address, v2.Address) {
			if _, err := lab.Client().Apply(ctx, mesh.ApplyRequest{Files: base}); err != nil {
				return err
			}
			times, err := b.flip(ctx, lab, f)
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			if _, err := lab.Client().Apply(ctx, mesh.ApplyRequest{Remove: benchLeftovers}); err != nil {
				return err
			}
			note := "from apply to effective on four proxies"
			switch {
			case f.name == "service":
				note = "12 clusters replaced on each of four proxies; an Envoy takes some 0.9 ms of processor time for each"
			case loaded:
				note += fmt.Sprintf(", with %d requests a second through them", benchLoad)
			}
			b.addP99(fmt.Sprintf("barrier.effective_p99_ms.%s.w%d%s", f.name, workers, suffix), times, note)
			if !f.untimed && !loaded {
				b.effective = append(b.effective, times...)
			}
		}
		return nil
	})
}

// benchLeftovers are rules that some flips leave behind.
var benchLeftovers = []mesh.Reference{
	{Kind: "DestinationRule", Name: "cluster"}, {Kind: "DestinationRule", Name: "endpoint"},
}

// background offers load through the gateway until stop is called, which waits for its end.
func (b *bench) background(ctx context.Context, lab *local.Lab, label string) (stop func()) {
	loading, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	sent, failed := 0, 0
	go func() {
		defer close(done)
		request := loadgen.Request{
			URL:    "http://" + net.JoinHostPort(lab.GatewayAddress(), "8080") + "/",
			Header: map[string][]string{"probe": {"load"}},
		}
		_, _ = loadgen.Run(loading, time.Now(), []loadgen.Load{{ // it ends by being stopped
			Name: "background", Pacer: pace.NewConstant(pace.PerSecond(benchLoad)), Duration: time.Hour, Requests: loadgen.Same(request),
		}}, func(r loadgen.Result) {
			switch {
			case r.Err == loadgen.ErrCanceled:
			case r.Status != 200:
				failed++
				sent++
			default:
				sent++
			}
		})
	}()
	return func() {
		cancel()
		<-done
		b.add("barrier.background_failures."+label, float64(failed), "requests", fmt.Sprintf("of %d sent while rules changed", sent))
	}
}

// flip makes the changes one after another. After each it sends the first requests, on new and on open connections.
func (b *bench) flip(ctx context.Context, lab *local.Lab, f flip) (times []float64, err error) {
	p := newProber(nil)
	defer p.close()
	for n := range f.count {
		begin := time.Now()
		if _, err := lab.Client().Apply(ctx, mesh.ApplyRequest{Files: []config.File{f.file(n)}}); err != nil {
			return times, err
		}
		times = append(times, milliseconds(time.Since(begin)))
		url := "http://" + net.JoinHostPort(lab.GatewayAddress(), fmt.Sprint(f.port(n)))
		stale, probes := p.stale(ctx, url, f.probe, f.want(n), f.fresh)
		b.count(f.name, stale, probes)
	}
	return times, nil
}

// count takes what a prober found after one change. Every kind that has a figure of its own in the sum counts under it.
func (b *bench) count(kind string, stale, probes int) {
	b.stale[kind] += stale
	b.probes += probes
}

func (b *bench) addP99(name string, times []float64, note string) {
	if len(times) == 0 {
		return
	}
	slices.Sort(times)
	b.add(name, times[len(times)*99/100], "ms", fmt.Sprintf("%s; median %.1f of %d", note, times[len(times)/2], len(times)))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// sumUp gives the figures over all kinds of change.
func (b *bench) sumUp() {
	if b.probes == 0 {
		return
	}
	total := 0
	for _, name := range sortedNames(b.stale) {
		b.add("barrier.stale_first_requests."+name, float64(b.stale[name]), "requests", "")
		total += b.stale[name]
	}
	b.add("barrier.stale_first_requests", float64(total), "requests", "first requests after the barrier that saw the old rule")
	b.add("barrier.probes", float64(b.probes), "requests", "")
	b.addP99("barrier.effective_p99_ms", b.effective, "kinds with a target, all numbers of workers, without load")
	if total > 0 {
		b.wrong = append(b.wrong, fmt.Sprintf("%d stale first requests", total))
	}
}

func sortedNames[V any](m map[string]V) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
