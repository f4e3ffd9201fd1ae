package live

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/scenarios/record"
)

// windows reads the counters that checks ask for, at the edges of phases.
type windows struct {
	r       *runner
	proxies []string
	mu      sync.Mutex
}

func (r *runner) newWindows() *windows {
	seen := map[string]bool{}
	w := &windows{r: r}
	for _, c := range r.file.Spec.Checks {
		if c.Counter != nil && !seen[c.Counter.Proxy] {
			seen[c.Counter.Proxy] = true
			w.proxies = append(w.proxies, c.Counter.Proxy)
		}
	}
	return w
}

func (w *windows) begin(ctx context.Context, phase string) {
	w.read(ctx, phase, func(v *record.Window, c map[string]uint64) { v.Begin = c })
}

func (w *windows) end(ctx context.Context, phase string) {
	w.read(ctx, phase, func(v *record.Window, c map[string]uint64) { v.End = c })
}

// read takes the counters of all proxies that checks name. One that cannot be read is left out, which makes its checks
// inconclusive.
func (w *windows) read(ctx context.Context, phase string, put func(*record.Window, map[string]uint64)) {
	var g errgroup.Group
	for _, name := range w.proxies {
		i, ok := w.r.lab.Instance(name)
		if !ok {
			continue
		}
		g.Go(func() error {
			counters, err := i.Admin().Counters(ctx, "")
			if err != nil {
				return nil //nolint:nilerr // the check says that the counter is missing
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.r.run.Counters[phase] == nil {
				w.r.run.Counters[phase] = map[string]record.Window{}
			}
			v := w.r.run.Counters[phase][name]
			put(&v, counters)
			w.r.run.Counters[phase][name] = v
			return nil
		})
	}
	_ = g.Wait()
}

// copied are the counters read so far.
func (w *windows) copied() map[string]map[string]record.Window {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]map[string]record.Window{}
	for phase, all := range w.r.run.Counters {
		out[phase] = maps.Clone(all)
	}
	return out
}

// ejectionPoll is how often a proxy is asked for the endpoints it has thrown out.
const ejectionPoll = 50 * time.Millisecond

// watchEjections records which endpoints the proxies of ejected checks keep out, and when.
func (r *runner) watchEjections(ctx context.Context) error {
	proxies := map[string]bool{}
	for _, c := range r.file.Spec.Checks {
		if c.Ejected != nil {
			proxies[c.Ejected.Proxy] = true
		}
	}
	if len(proxies) == 0 {
		return nil
	}
	open, blind := map[string]int{}, map[string]bool{}
	tick := time.NewTicker(ejectionPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for name := range proxies {
			if i, ok := r.lab.Instance(name); ok {
				clusters, err := i.Admin().Clusters(ctx)
				if err != nil {
					if ctx.Err() == nil && !blind[name] {
						blind[name] = true
						r.gap(fmt.Sprintf("%s could not be asked for its ejected endpoints: %v", name, err))
					}
					continue
				}
				for _, c := range clusters.GetClusterStatuses() {
					for _, h := range c.GetHostStatuses() {
						out := h.GetHealthStatus().GetFailedOutlierCheck()
						address := r.lab.BeyondHost(h.GetAddress().GetSocketAddress().GetAddress())
						key := name + " " + c.GetName() + " " + address
						n, was := open[key]
						switch {
						case out && !was:
							w, _ := r.run.WorkloadAt(address)
							r.run.Ejections = append(r.run.Ejections, record.Ejection{
								Proxy: name, Cluster: c.GetName(), Endpoint: address, Workload: w.Owner, From: r.since(),
							})
							open[key] = len(r.run.Ejections) - 1
						case !out && was:
							r.run.Ejections[n].To = r.since()
							delete(open, key)
						}
					}
				}
			}
		}
	}
}
