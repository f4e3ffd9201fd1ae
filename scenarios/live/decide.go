package live

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/record"
)

// errDecided stops a run whose verdict is known.
var errDecided = errors.New("the verdict is decided")

// lookAgain is how often phases that are still open are looked at.
const lookAgain = 200 * time.Millisecond

// watchVerdict asks whether the verdict is decided, and then stops the run: whenever a phase is over and all requests of it have ended, and
// now and then while phases are open. The answers of a phase that is over are all there; what proxies log may still come.
func (r *runner) watchVerdict(ctx context.Context) error {
	if r.opts.Decided == nil {
		return nil
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	var over []record.Phase
	for {
		var open []record.Phase
		select {
		case <-ctx.Done():
			return nil
		case p := <-r.over:
			if err := r.answered(ctx, p.To); err != nil {
				return nil //nolint:nilerr // the run ends by itself
			}
			over = append(over, p)
		case <-tick.C:
			// The last requests may turn out to be between two phases.
			if open = r.book.partial(r.since() - 2*plan.Guard); len(open) == 0 {
				continue
			}
		}
		if r.opts.Decided(r.sofar(slices.Concat(over, open)), open) {
			for _, p := range open {
				r.book.end(ctx, p.Name, p.To)
			}
			r.decided = slices.Concat(over, open)
			return errDecided
		}
	}
}

// sofar is the run with these phases as far as the load can tell: answers, counters and what happened, without what proxies logged.
func (r *runner) sofar(phases []record.Phase) *record.Run {
	r.turn.Lock()
	events := slices.Clone(r.run.Events)
	r.turn.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	return &record.Run{
		Scenario: r.run.Scenario, File: r.run.File, Start: r.run.Start, Seed: r.run.Seed, Workloads: r.run.Workloads,
		Phases: phases, Results: slices.Clone(r.results), Events: events, Counters: r.book.windows.copied(),
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
