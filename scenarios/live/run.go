package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// Options of a run.
type Options struct {
	// Platform on which the run has a lab of its own.
	Platform platform.Platform
	// Envoy is what the lab runs, for the record.
	Envoy envoy.Binary
	// Dir is a folder for what the run needs on its way.
	Dir string
	// Attach is the socket of a lab that stays up, to be used in place of one of the run's own; App must be that lab's.
	Attach string
	// App to run, and the folder in which its processes run.
	App    *config.App
	AppDir string
	// Seed of ids and random pacing.
	Seed uint64
	// Version of squall, for the record.
	Version string
	// Record takes the file of the run, while it goes on; nil writes none.
	Record io.Writer
	// Decided is asked whenever a phase is over, and now and then between, with what is known by then of the load and the counters; open
	// are those of its phases that go on. A run whose verdict is decided is stopped. Nil asks nobody.
	Decided func(sofar *record.Run, open []record.Phase) bool
	// Keep is called when the run is over and can be judged, with host:port of the gateway, while the mesh is still up: until it
	// returns. Nil keeps nothing. It must be nil together with Attach.
	Keep func(ctx context.Context, run *record.Run, gateway string)
	// Progress takes lines for people; nil discards.
	Progress io.Writer
}

// The times of a run that no scenario sets.
const (
	startTimeout  = 60 * time.Second
	settleTimeout = 5 * time.Second
)

// runner is one run in progress.
type runner struct {
	opts Options
	file *spec.File
	lab  lab
	// own is the lab if it is the run's own, else nil.
	own      platform.Deployment
	observed *collect.Collector
	run      *record.Run
	// recording is nil without a file.
	recording *recording
	t0        time.Time
	loads     []loadgen.Load
	// entries are the ids of the proxies that take load.
	entries []string
	// tcpLoads are those whose requests are connections.
	tcpLoads map[string]bool
	// tlsLoads are those whose connections may be refused before there is a request.
	tlsLoads map[string]bool
	// happenings are the items of the timeline, with what they saw while they ran.
	happenings []happening
	ends       *ends

	mu      sync.Mutex
	results []loadgen.Result
	// more is closed and replaced whenever a result comes.
	more  chan struct{}
	slots int
	book  *book
	// turn is held by what happens, one at a time.
	turn sync.Mutex
	// scripts are those in force at the backends, oldest first; teaching is held while they change.
	teaching sync.Mutex
	scripts  []*script
	// over are phases that have ended; decided are those of a run that was stopped because its verdict is known.
	over    chan record.Phase
	decided []record.Phase
	down    bool
}

// Run runs a scenario. The error says why there is nothing to judge: the lab did not start, or broke. A record comes with
// it as far as it got.
func Run(ctx context.Context, o Options, f *spec.File) (*record.Run, error) {
	r := &runner{opts: o, file: f, more: make(chan struct{}), over: make(chan record.Phase, 3+len(f.Spec.Timeline)), tcpLoads: map[string]bool{}, tlsLoads: map[string]bool{}, run: &record.Run{
		Scenario: f.Scenario, File: f.Name, Seed: o.Seed, Platform: string(o.Platform.Info().Form), Envoy: o.Envoy.Version.String(),
		Squall: o.Version, Warmup: f.WarmupTime(), Counters: map[string]map[string]record.Window{},
	}}
	if w := o.Envoy.Warning(); w != "" {
		r.run.Notes = append(r.run.Notes, w)
	}
	if f.Profile() == "exact" {
		r.run.Notes = append(r.run.Notes, "profile exact: Envoy's window for merging host updates is off (Istio keeps 1s), one worker thread")
	}
	err := r.do(ctx)
	r.run.End = time.Now().Truncate(record.Precision)
	if err != nil {
		r.run.Broken = err.Error()
	}
	return r.run, errors.Join(err, r.closeRecord())
}

func (r *runner) progress(format string, args ...any) {
	if r.opts.Progress != nil {
		_, _ = fmt.Fprintf(r.opts.Progress, format+"\n", args...)
	}
}

func (r *runner) do(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	closeLab, err := r.open(ctx)
	defer func() { err = errors.Join(err, closeLab()) }()
	if err != nil {
		return err
	}
	r.run.Platform = string(r.lab.Info().Form)
	r.addWorkloads(r.lab.Instances())
	if r.run.Gaps = r.gaps(); len(r.run.Gaps) > 0 { // whatever was measured would say nothing
		return nil
	}
	if err := r.declareFaults(ctx); err != nil {
		return err
	}
	if err := r.makeLoads(ctx); err != nil {
		return err
	}
	err = r.drive(ctx)
	switch {
	case errors.Is(err, errDecided):
		r.stopEarly()
	case err != nil && r.run.Aborted == "":
		return err
	}
	r.settle(ctx)
	r.run.Gaps = append(r.run.Gaps, r.gaps()...)
	r.tellStrain(ctx)
	if err := r.collect(ctx); err != nil || r.opts.Keep == nil {
		return err
	}
	return r.keep(ctx)
}

// gaps are why the lab is not what the scenario is about, where a lab can tell.
func (r *runner) gaps() []string {
	if lab, ok := r.lab.(interface{ Gaps() []string }); ok {
		return lab.Gaps()
	}
	return nil
}

func (r *runner) addWorkloads(list []*platform.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range list {
		r.run.Workloads = append(r.run.Workloads, record.Workload{
			Name: i.Name, Owner: i.Owner, Namespace: i.Namespace, Labels: i.Labels, Address: i.Address, Proxy: i.ID(),
		})
	}
}

// drive runs loads and timeline side by side. A lab that breaks ends both.
func (r *runner) drive(ctx context.Context) error {
	// In the record's precision, but with the clock that no correction of the time of day moves.
	now := time.Now()
	r.t0 = now.Add(plan.Lead + r.run.Warmup - now.Sub(now.Truncate(record.Precision)))
	r.run.Start = r.t0.Round(0)
	if err := r.openRecord(); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	finished := make(chan struct{})
	var loads errgroup.Group
	byStart := map[time.Duration][]loadgen.Load{}
	for i, l := range r.loads {
		at := plan.Start(r.file, r.file.Spec.Load[i])
		byStart[at] = append(byStart[at], l)
	}
	for at, list := range byStart {
		loads.Go(func() error {
			summaries, err := loadgen.Run(ctx, r.t0.Add(at), list, r.take)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.run.Loads = append(r.run.Loads, summaries...)
			return err
		})
	}
	r.book = newBook(r.newWindows(), r.phaseOver())
	stop, stopped := context.WithCancel(ctx)
	g.Go(func() error {
		defer stopped()
		defer close(finished)
		return loads.Wait()
	})
	g.Go(func() error { return r.timeline(ctx) })
	g.Go(func() error { return r.keepRecord(stop) })
	g.Go(func() error { return r.watchVerdict(stop) })
	g.Go(func() error { return r.watchEjections(stop) })
	g.Go(func() error { return r.guardRails(stop) })
	g.Go(func() error { return r.watchStrain(stop) })
	g.Go(func() error {
		select {
		case err := <-r.lab.Failed():
			return err
		case <-finished:
			return nil
		case <-ctx.Done():
			return nil
		}
	})
	err := g.Wait()
	slices.SortFunc(r.run.Loads, func(a, b loadgen.Summary) int { return strings.Compare(a.Name, b.Name) })
	return err
}

// take keeps a result.
func (r *runner) take(res loadgen.Result) {
	for _, t := range []*time.Time{&res.Scheduled, &res.Sent, &res.End} {
		*t = t.Truncate(record.Precision)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, res)
	close(r.more)
	r.more = make(chan struct{})
}

// sleepUntil waits for a time from t = 0.
func (r *runner) sleepUntil(ctx context.Context, at time.Duration) error {
	timer := time.NewTimer(time.Until(r.t0.Add(at)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *runner) since() time.Duration { return time.Since(r.t0) }
