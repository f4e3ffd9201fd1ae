package live

import (
	"context"
	"errors"
	"slices"

	"github.com/squallmesh/squall/scenarios/record"
)

// errDecided stops a run whose verdict is known.
var errDecided = errors.New("the verdict is decided")

// watchVerdict asks, whenever a phase is over and all requests of it have ended, whether the verdict is decided, and then stops
// the run. The answers of a phase that is over are all there; what proxies log may still come.
func (r *runner) watchVerdict(ctx context.Context) error {
	if r.opts.Decided == nil {
		return nil
	}
	var over []record.Phase
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-r.over:
			if err := r.answered(ctx, p.To); err != nil {
				return nil //nolint:nilerr // the run ends by itself
			}
			over = append(over, p)
			if r.opts.Decided(r.sofar(over)) {
				r.decided = over
				return errDecided
			}
		}
	}
}

// sofar is the run as far as the load can tell: answers, counters and what happened, without what proxies logged.
func (r *runner) sofar(over []record.Phase) *record.Run {
	r.turn.Lock()
	events := slices.Clone(r.run.Events)
	r.turn.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	return &record.Run{
		Scenario: r.run.Scenario, File: r.run.File, Start: r.run.Start, Seed: r.run.Seed, Workloads: r.run.Workloads,
		Phases: slices.Clone(over), Results: slices.Clone(r.results), Events: events, Counters: r.book.windows.copied(),
		Strains: slices.Clone(r.run.Strains),
	}
}

// phaseOver passes phases that are over to watchVerdict.
func (r *runner) phaseOver() func(record.Phase) {
	if r.opts.Decided == nil {
		return nil
	}
	return func(p record.Phase) { r.over <- p }
}

// stopEarly leaves a decided run with the phases that it had.
func (r *runner) stopEarly() {
	r.run.Phases = r.decided
	for i := range r.run.Loads {
		if l := &r.run.Loads[i]; l.Stopped {
			l.Behind, l.Reason = false, ""
		}
	}
	r.note("the run was stopped when its verdict was decided")
}
