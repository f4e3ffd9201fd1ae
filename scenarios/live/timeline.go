package live

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// happening is one item of the timeline while it runs. begin makes it effective; end, which may be nil, undoes it.
type happening struct {
	kind, what string
	begin      func(context.Context) error
	end        func(context.Context) error
	// evidence looks for proof after the run.
	evidence func(record.Event) (found, missing string)
}

// timeline does what the scenario says, each item at its time. A phase begins when its item is effective.
func (r *runner) timeline(ctx context.Context) error {
	items := r.file.Spec.Timeline
	r.run.Events = make([]record.Event, len(items))
	for i, item := range items {
		r.happenings = append(r.happenings, r.happening(i, item))
	}
	if err := r.sleepUntil(ctx, 0); err != nil {
		return err
	}
	r.book.start(ctx)
	r.ends = newEnds(r.file)
	g, during := errgroup.WithContext(ctx)
	for _, i := range plan.Order(items) {
		item := items[i]
		if err := r.sleepUntil(during, item.At.D()); err != nil {
			break
		}
		if item.When != nil {
			g.Go(func() error { return r.onceTrue(during, g, i, item) })
			continue
		}
		if err := r.happen(during, g, i, item, item.At.D()); err != nil {
			g.Go(func() error { return err })
			break
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	r.book.settle(ctx)
	if err := r.sleepUntil(ctx, r.file.End()); err != nil {
		return err
	}
	r.run.Phases = r.book.finish(ctx, r.file.End())
	return nil
}

// onceTrue lets an item happen as soon as its condition holds, and not at all if it never does.
func (r *runner) onceTrue(ctx context.Context, g *errgroup.Group, i int, item spec.Item) error {
	watch := condition{Condition: *item.When}
	tick := time.NewTicker(plan.Poll)
	defer tick.Stop()
	for r.since() < r.file.End() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		if _, holds := watch.holds(r); holds {
			return r.happen(ctx, g, i, item, r.since())
		}
	}
	r.skip(i, fmt.Sprintf("success of %s was never %s for %s", item.When.Load, item.When.Success, item.When.For))
	return nil
}

// skip notes that an item did not happen.
func (r *runner) skip(i int, why string) {
	r.turn.Lock()
	defer r.turn.Unlock()
	what := r.happenings[i].what + ": " + why
	r.happenings[i].evidence = nil
	r.run.Events[i] = record.Event{Kind: "skipped", What: what, Name: r.file.Spec.Timeline[i].Name, At: r.since()}
	r.progress("  %6.1fs  not done: %s", r.since().Seconds(), what)
}

// happen lets an item take effect, one at a time, and undoes it in the background when its time is over.
func (r *runner) happen(ctx context.Context, g *errgroup.Group, i int, item spec.Item, at time.Duration) error {
	for _, name := range item.Unless {
		if r.book.has(name) {
			r.skip(i, name+" has happened")
			return nil
		}
	}
	r.book.changing(item.Name)
	r.turn.Lock()
	defer r.turn.Unlock()
	cut := at - plan.Guard
	r.quiesce(ctx, cut)
	r.book.change(ctx, item.Name, cut)
	h := r.happenings[i]
	e := record.Event{Kind: h.kind, What: h.what, Name: item.Name}
	began := r.since()
	if h.begin != nil {
		if err := h.begin(ctx); err != nil {
			return fmt.Errorf("%s: %s at %s: %w", r.file.Where(plan.Where(i)), h.what, at, err)
		}
	}
	e.At = r.since()
	e.Took = e.At - began
	r.run.Events[i] = e
	r.progress("  %6.1fs  %s", e.At.Seconds(), h.what)
	r.book.begin(ctx, item.Name, e.At, item.For == 0)
	until := plan.Until(r.file, item, at)
	if until == 0 {
		return nil
	}
	g.Go(func() error {
		if err := r.sleepUntil(ctx, until); err != nil {
			return err
		}
		if item.For > 0 {
			r.book.ending(item.Name)
		}
		if item.Hold == nil {
			r.quiesce(ctx, until-plan.Guard)
		}
		if item.For > 0 {
			r.book.end(ctx, item.Name, min(r.file.End(), until-plan.Guard))
		}
		if err := r.ends.arrive(ctx, item, until); err != nil {
			return err
		}
		if h.end != nil {
			if err := h.end(ctx); err != nil {
				return fmt.Errorf("%s: the end of %s: %w", r.file.Where(plan.Where(i)), h.what, err)
			}
		}
		over := r.since()
		r.turn.Lock()
		r.run.Events[i].Until = over
		r.turn.Unlock()
		r.book.touch(over)
		r.progress("  %6.1fs  over: %s", over.Seconds(), h.what)
		return nil
	})
	return nil
}

func (r *runner) happening(i int, item spec.Item) happening {
	h := r.action(i, item)
	h.kind, h.what = plan.Words(item, r.file.Items[i])
	return h
}

// action is what an item does, without its words.
func (r *runner) action(i int, item spec.Item) happening {
	switch {
	case item.Fault != nil:
		_, what := plan.Words(item, nil)
		return r.fault(i, item.Fault, what)
	case item.Apply != nil:
		return happening{begin: func(ctx context.Context) error { return r.apply(ctx, r.file.Items[i]) }}
	case item.Delete != nil:
		return r.delete(item.Delete)
	case item.Hold != nil:
		return r.hold(item.Hold)
	case item.Release != nil:
		return r.release(item.Release)
	case item.Script != nil:
		return r.script(item.Script)
	case item.Scale != nil:
		return r.scale(item.Scale, item.For > 0)
	case item.Restart != nil:
		return r.restart(i, item.Restart)
	}
	return happening{}
}

func (r *runner) apply(ctx context.Context, files []config.File) error {
	r.mu.Lock()
	down := r.down
	r.mu.Unlock()
	if down {
		// A stopped control plane learns of it when it comes back.
		r.own.Remember(files...)
		return nil
	}
	resp, err := r.lab.Apply(ctx, files...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.run.Warnings = append(r.run.Warnings, resp.Diagnostics.Warnings()...)
	return err
}

func (r *runner) delete(refs []spec.Ref) happening {
	var list []mesh.Reference
	for _, ref := range refs {
		ns := ref.Namespace
		if ns == "" {
			ns = config.DefaultNamespace
		}
		list = append(list, mesh.Reference{Kind: ref.Kind, Namespace: ns, Name: ref.Name})
	}
	return happening{
		begin: func(ctx context.Context) error {
			_, err := r.lab.Client().Apply(ctx, mesh.ApplyRequest{Remove: list})
			return err
		},
	}
}
