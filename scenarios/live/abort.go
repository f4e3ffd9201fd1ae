package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/spec"
)

// errAborted ends a run whose guard rail fired.
var errAborted = errors.New("a guard rail fired")

// condition is something that must hold for a while.
type condition struct {
	spec.Condition
	since time.Time
}

// holds reports whether the condition has held for as long as it says, and the share of success at the moment.
func (c *condition) holds(r *runner) (share float64, long bool) {
	share, n := r.recentSuccess(c.Load)
	if n == 0 || !c.Success.Holds(share) {
		c.since = time.Time{}
		return share, false
	}
	if c.since.IsZero() {
		c.since = time.Now()
	}
	return share, time.Since(c.since) >= c.For.D()
}

// guardRails stops the run as soon as one of its conditions has held for as long as it says.
func (r *runner) guardRails(ctx context.Context) error {
	var rails []condition
	for _, a := range r.file.Spec.AbortIf {
		rails = append(rails, condition{Condition: a})
	}
	if len(rails) == 0 {
		return nil
	}
	tick := time.NewTicker(plan.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for i := range rails {
			a := &rails[i]
			if share, fired := a.holds(r); fired {
				r.run.Aborted = fmt.Sprintf("%s: stopped after %s: success of %s was %.1f%%, %s for %s",
					r.file.Where(fmt.Sprintf("spec.abortIf[%d]", i)), r.since().Round(time.Millisecond), a.Load, share, a.Success, a.For)
				return errAborted
			}
		}
	}
}

// recentSuccess is the share of answers below 500 among those of the last second.
func (r *runner) recentSuccess(load string) (percent float64, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	good := 0
	for i := len(r.results) - 1; i >= 0; i-- {
		res := &r.results[i]
		if time.Since(res.End) > time.Second {
			break
		}
		if res.Load != load {
			continue
		}
		n++
		if res.Succeeded() {
			good++
		}
	}
	if n == 0 {
		return 0, 0
	}
	return 100 * float64(good) / float64(n), n
}
