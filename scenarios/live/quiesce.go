package live

import (
	"context"
	"time"

	"github.com/squallmesh/squall/scenarios/plan"
)

// quiesce waits until the requests that were due before a time (from t = 0) have ended, so that a change that comes now
// does not reach into the phase that they belong to. Requests that take longer than the bound are not waited for: they
// are what the scenario is about.
func (r *runner) quiesce(ctx context.Context, before time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, plan.Quiesce)
	defer cancel()
	_ = r.answered(ctx, before) // what is not in time is left
}

// answered waits until all requests that were due before a time (from t = 0) have ended.
func (r *runner) answered(ctx context.Context, before time.Duration) error {
	for {
		r.mu.Lock()
		ended, more := r.endedBefore(before), r.more
		r.mu.Unlock()
		if ended >= r.dueBefore(before) {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// dueBefore counts the requests that all loads have due before a time.
func (r *runner) dueBefore(before time.Duration) int {
	n := uint64(0)
	for i, l := range r.loads {
		at := plan.Start(r.file, r.file.Spec.Load[i])
		if before > at {
			n += l.Pacer.Hits(min(before-at, l.Duration))
		}
	}
	return int(n)
}

// endedBefore counts the results of requests that were due before a time. The caller holds r.mu.
func (r *runner) endedBefore(before time.Duration) int {
	n := 0
	cut := r.t0.Add(before)
	for i := range r.results {
		if r.results[i].Scheduled.Before(cut) {
			n++
		}
	}
	return n
}
