package virtual

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/mesh/sim/dist"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/query"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// Options of a run.
type Options struct {
	// App to run.
	App *config.App
	// Seed of everything that is drawn: ids, pacing, the proxies' choices, times at work.
	Seed uint64
	// Version of squall, for the record.
	Version string
	// Dir takes what a run must keep in files: the series that checks ask for. It is empty.
	Dir string
	// Record takes the file of the run; nil writes none.
	Record io.Writer
	// Progress takes lines for people; nil discards.
	Progress io.Writer
	// Times of what no scenario sets; nil takes sim.DefaultTimes.
	Times *sim.Times
	// Today is the day on which tokens of end users are judged, whose times are not virtual. The zero time finds none expired.
	Today time.Time
	// Work is how long Deployments are at work, by name, in place of Times.Work and what is built in.
	Work map[string]dist.Distribution
	// Budget of events; 0 takes DefaultBudget.
	Budget uint64
}

// DefaultBudget bounds a run whose load grows without end.
const DefaultBudget = 1_000_000_000

// Platform is what records of virtual runs name.
const Platform = "sim"

// Start is t = 0 of every virtual run.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// The times that the platform of a live run needs and a model has to be told: how long until something has taken effect everywhere.
const (
	// effectTime is from an apply, or the arming of a fault, until every proxy does it.
	effectTime = 20 * time.Millisecond
	// orderTime is from an order until a backend or a process obeys.
	orderTime = 5 * time.Millisecond
	// appTime and proxyTime are from the start of a process until it serves.
	appTime   = 100 * time.Millisecond
	proxyTime = 500 * time.Millisecond
	// settleTime bounds how long a run goes on after its load.
	settleTime = 10 * time.Minute
)

// engine is one run in progress.
type engine struct {
	opts Options
	file *spec.File
	mesh *sim.Mesh
	run  *record.Run
	// origin is t = 0 in the mesh's time, which begins before the warm-up.
	origin time.Duration

	place   *places
	docs    config.Set
	builder config.Builder
	snap    model.Snapshot
	waiting []config.File // applied while the control plane is down
	down    bool

	loads    []*load
	book     *book
	happened []*happening
	scripts  []*script
	slots    map[int]*model.LeasedFault
	turn     turn
	waiters  []*waiter
	pending  int
	ejected  map[string]int
	ejecting map[string]string // by proxy id: the name by which a check asks
	stopped  bool
	err      error
}

// Run runs a scenario that Refused has let pass. The error says why there is nothing to judge; a record comes with it as far as it got.
func Run(ctx context.Context, o Options, f *spec.File) (*record.Run, error) {
	e := &engine{opts: o, file: f, slots: map[int]*model.LeasedFault{}, ejected: map[string]int{}, ejecting: map[string]string{}, run: &record.Run{
		Scenario: f.Scenario, File: f.Name, Seed: o.Seed, Platform: Platform, Envoy: "1.40 (model)", Squall: o.Version,
		Warmup: f.WarmupTime(), Start: start, Counters: map[string]map[string]record.Window{},
		Notes: []string{"simulated in virtual time: latencies are those of the model, not of a machine (docs/simulation.md)"},
	}}
	e.origin = plan.Lead + e.run.Warmup
	if f.Profile() == "exact" {
		e.run.Notes = append(e.run.Notes, "profile exact: Envoy's window for merging host updates is off (Istio keeps 1s)")
	}
	err := e.do(ctx)
	if err != nil {
		e.run.Broken = err.Error()
	}
	e.run.End = e.clock()
	return e.run, errors.Join(err, e.record())
}

// clock is the time of day of the virtual now.
func (e *engine) clock() time.Time {
	now := -e.origin
	if e.mesh != nil {
		now = e.since()
	}
	return start.Add(now).Truncate(record.Precision)
}

// since is the time from t = 0.
func (e *engine) since() time.Duration { return e.mesh.Now() - e.origin }

// at calls f at a time from t = 0, or now if that is over.
func (e *engine) at(t time.Duration, f func()) { e.mesh.At(max(e.mesh.Now(), t+e.origin), f) }

// after calls f when a time has passed.
func (e *engine) after(d time.Duration, f func()) { e.mesh.At(e.mesh.Now()+d, f) }

func (e *engine) progress(format string, args ...any) {
	if e.opts.Progress != nil {
		_, _ = fmt.Fprintf(e.opts.Progress, format+"\n", args...)
	}
}

// fail ends the run: something that the scenario asks for cannot be done.
func (e *engine) fail(err error) {
	if e.err == nil {
		e.err = err
	}
	e.stopped = true
}

func (e *engine) do(ctx context.Context) error {
	if err := e.build(); err != nil {
		return err
	}
	if err := e.makeLoads(); err != nil {
		return err
	}
	e.book = newBook(e)
	e.watchEjections()
	e.guardRails()
	e.timeline()
	if err := e.until(ctx, e.file.End()); err != nil {
		return err
	}
	if err := e.settle(ctx); err != nil {
		return err
	}
	for _, l := range e.loads {
		e.run.Loads = append(e.run.Loads, l.summary())
	}
	slices.SortFunc(e.run.Loads, func(a, b loadgen.Summary) int { return strings.Compare(a.Name, b.Name) })
	e.evidence()
	return query.Answer(ctx, e.run, query.Options{Dir: e.opts.Dir, Lead: plan.Lead, End: e.file.End()})
}

// build makes the mesh of the app's documents and the scenario's rules.
func (e *engine) build() error {
	budget := e.opts.Budget
	if budget == 0 {
		budget = DefaultBudget
	}
	err := e.assemble(slices.Concat(e.opts.App.Manifests, e.file.Rules), settingsOf(e.file), sim.Options{
		Seed: e.opts.Seed, Budget: budget, Times: e.opts.Times, Today: e.opts.Today, Epoch: start.Add(-e.origin),
		Hop: func(h *telemetry.Hop) {
			h.Time, h.Duration, h.UpstreamTime = h.Time.Truncate(record.Precision), h.Duration.Truncate(record.Precision), h.UpstreamTime.Truncate(record.Precision)
			e.run.Hops = append(e.run.Hops, *h)
		},
		Span: func(s *telemetry.Span) { e.run.Spans = append(e.run.Spans, *s) },
	})
	if err != nil {
		return err
	}
	for _, w := range e.place.workloads {
		e.record1(w)
	}
	return nil
}

// settingsOf are those of the mesh under a scenario's profile.
func settingsOf(f *spec.File) *model.Mesh {
	if f.Profile() == "exact" {
		return model.ExactMesh()
	}
	return model.DefaultMesh()
}

// apply makes the mesh obey the documents as they are.
func (e *engine) apply() error {
	snap, problems := e.builder.Build(e.docs, e.snap, e.place.models())
	if err := problems.Err(); err != nil {
		return err
	}
	e.snap = snap
	e.mesh.Apply(snap, e.place.proxies())
	return nil
}

// record1 adds a workload to the record.
func (e *engine) record1(w *workload) {
	e.run.Workloads = append(e.run.Workloads, record.Workload{
		Name: w.Name, Owner: w.Owner, Namespace: w.Namespace, Labels: w.Labels, Address: w.Address, Proxy: w.proxy.ID,
	})
}

// until lets the mesh run to a time from t = 0, unless the run is stopped before.
func (e *engine) until(ctx context.Context, t time.Duration) error {
	e.at(t, func() {}) // so that time passes even if nothing else happens
	err := e.mesh.Run(t+e.origin, func() bool { return e.stopped || ctx.Err() != nil })
	switch {
	case e.err != nil:
		return e.err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("the run has more events than are allowed, as a load that nothing bounds leads to: %w", err)
	}
	return nil
}

// settle lets everything end that is under way: first what the timeline still has to undo, then requests.
func (e *engine) settle(ctx context.Context) error {
	latest := e.since() + settleTime
	wait := func(busy func() bool) error {
		for e.run.Aborted == "" && e.since() < latest && busy() {
			if err := e.until(ctx, e.since()+100*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	}
	if err := wait(func() bool { return e.pending > 0 }); err != nil {
		return err
	}
	e.book.finish()
	if err := wait(func() bool { return e.mesh.Visits() > 0 || e.mesh.Streams() > 0 }); err != nil {
		return err
	}
	if n := e.mesh.Visits(); n > 0 && e.run.Aborted == "" {
		e.run.Gaps = append(e.run.Gaps, fmt.Sprintf("%d requests had not ended %s after the load", n, settleTime))
	}
	return nil
}

// record writes the run's file.
func (e *engine) record() error {
	if e.opts.Record == nil {
		return nil
	}
	where := make([]diag.Pos, len(e.file.Spec.Checks))
	for i := range where {
		where[i] = e.file.Where(fmt.Sprintf("spec.checks[%d]", i))
	}
	w, err := record.NewWriter(e.opts.Record, e.run, where)
	if err != nil {
		return err
	}
	return errors.Join(w.Add(e.run.Results, e.run.Hops, e.run.Spans), w.Close(e.run))
}
