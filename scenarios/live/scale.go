package live

import (
	"context"
	"errors"
	"fmt"

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

// scaled gives the most instances of each Deployment that a timeline asks for.
func scaled(items []spec.Item) map[string]int {
	out := map[string]int{}
	for _, item := range items {
		if s := item.Scale; s != nil {
			out[s.Workload] = max(out[s.Workload], s.Replicas)
		}
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
