package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

func (r *runner) scale(s *spec.Scale, lasts bool) happening {
	before, now := 0, 0
	h := happening{
		begin: func(ctx context.Context) error {
			before = len(r.own.Replicas(s.Workload))
			err := r.scaleTo(ctx, s.Workload, s.Replicas)
			now = len(r.own.Replicas(s.Workload))
			return err
		},
		evidence: func(record.Event) (string, string) { return fmt.Sprintf("%d instances became %d", before, now), "" },
	}
	if lasts {
		h.end = func(ctx context.Context) error { return r.scaleTo(ctx, s.Workload, before) }
	}
	return h
}

// added gives how many instances of each Deployment a timeline adds in all, also those that come back where an item was for a time. replicas
// are those at the start.
func added(items []spec.Item, replicas map[string]int) map[string]int {
	now, out := maps.Clone(replicas), map[string]int{}
	type step struct {
		at       time.Duration
		workload string
		// change gives the new number.
		change func(have int) int
	}
	var steps []step
	for _, i := range plan.Order(items) {
		item, before := items[i], 0
		if item.Scale == nil {
			continue
		}
		steps = append(steps, step{item.At.D(), item.Scale.Workload, func(have int) int {
			before = have
			return item.Scale.Replicas
		}})
		if item.For > 0 {
			steps = append(steps, step{(item.At + item.For).D(), item.Scale.Workload, func(int) int { return before }})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	for _, s := range steps {
		have := now[s.workload]
		now[s.workload] = s.change(have)
		out[s.workload] += max(0, now[s.workload]-have)
	}
	return out
}

// replicas are those of an app's Deployments at the start.
func replicas(app *config.App) map[string]int {
	out := map[string]int{}
	if app == nil {
		return out
	}
	docs, _ := config.Parse(app.Manifests...) // reported elsewhere
	for _, t := range config.Templates(config.Set{}.With(docs...)) {
		out[t.Owner] = t.Replicas
	}
	return out
}

func (r *runner) scaleTo(ctx context.Context, owner string, replicas int) error {
	have := r.own.Replicas(owner)
	switch {
	case replicas > len(have):
		added, err := r.own.Add(ctx, owner, replicas-len(have))
		r.addWorkloads(added)
		return errors.Join(err, r.teachAgain(ctx, owner))
	case replicas < len(have):
		leaving := have[replicas:]
		if err := r.own.Withdraw(ctx, leaving); err != nil {
			return err
		}
		r.drain(ctx, leaving)
		return r.own.Remove(ctx, leaving)
	}
	return nil
}

// drain waits until instances have nothing to do any more and all of it is logged. What takes too long is cut off, and said.
func (r *runner) drain(ctx context.Context, list []*platform.Instance) {
	ctx, cancel := context.WithTimeout(ctx, plan.Drain)
	defer cancel()
	busy := until(ctx, func(ctx context.Context) string {
		what, _ := r.busy(ctx, list, nil)
		return what
	})
	if busy != "" {
		r.note("scaled away although " + busy)
	}
}
