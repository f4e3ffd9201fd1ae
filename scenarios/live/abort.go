package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/squallmesh/squall/scenarios/spec"
)

// errAborted ends a run whose guard rail fired.
var errAborted = errors.New("a guard rail fired")

// guardPoll is how often guard rails are looked at.
const guardPoll = 100 * time.Millisecond

// guardRails stops the run as soon as one of its conditions has held for as long as it says.
func (r *runner) guardRails(ctx context.Context) error {
	if len(r.file.Spec.AbortIf) == 0 {
		return nil
	}
	since := make([]time.Time, len(r.file.Spec.AbortIf))
	tick := time.NewTicker(guardPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for i, a := range r.file.Spec.AbortIf {
			share, n := r.recentSuccess(a)
			if n == 0 || !a.Success.Holds(share) {
				since[i] = time.Time{}
				continue
			}
			if since[i].IsZero() {
				since[i] = time.Now()
			}
			if time.Since(since[i]) >= a.For.D() {
				r.run.Aborted = fmt.Sprintf("%s: stopped after %s: success of %s was %.1f%%, %s for %s",
					r.file.Where(fmt.Sprintf("spec.abortIf[%d]", i)), r.since().Round(time.Millisecond), a.Load, share, a.Success, a.For)
				return errAborted
			}
		}
	}
}

// recentSuccess is the share of answers below 500 among those of the last second.
func (r *runner) recentSuccess(a spec.Abort) (percent float64, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	good := 0
	for i := len(r.results) - 1; i >= 0; i-- {
		res := &r.results[i]
		if time.Since(res.End) > time.Second {
			break
		}
		if res.Load != a.Load {
			continue
		}
		n++
		if res.Err == "" && res.Status < 500 {
			good++
		}
	}
	if n == 0 {
		return 0, 0
	}
	return 100 * float64(good) / float64(n), n
}
