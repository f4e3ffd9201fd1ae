package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
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
	order := make([]int, len(items))
	for i := range items {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(items[a].At, items[b].At) })
	r.run.Events = make([]record.Event, len(items))
	for i, item := range items {
		r.happenings = append(r.happenings, r.happening(i, item))
	}
	begins := make([]time.Duration, len(items))
	ends := make([]time.Duration, len(items))
	windows := r.windows
	if err := r.sleepUntil(ctx, 0); err != nil {
		return err
	}
	windows.begin(ctx, "all")
	windows.begin(ctx, "before")
	g, during := errgroup.WithContext(ctx)
	previous, open := "", 0
	for n, i := range order {
		item := items[i]
		if err := r.sleepUntil(during, item.At.D()); err != nil {
			break
		}
		r.quiesce(during, item.At.D()-guard)
		if n == 0 {
			windows.end(during, "before")
			r.ended(record.Phase{Name: "before", To: item.At.D() - guard})
		}
		if previous != "" && item.Name != "" {
			windows.end(during, previous)
			r.ended(record.Phase{Name: previous, From: begins[open], To: item.At.D() - guard})
			previous = ""
		}
		h := r.happenings[i]
		e := record.Event{Kind: h.kind, What: h.what, Name: item.Name}
		began := r.since()
		if h.begin != nil {
			if err := h.begin(during); err != nil {
				return fmt.Errorf("%s: %s at %s: %w", r.file.Where(fmt.Sprintf("spec.timeline[%d]", i)), h.what, item.At, err)
			}
		}
		e.At = r.since()
		e.Took = e.At - began
		begins[i] = e.At
		r.progress("  %6.1fs  %s", e.At.Seconds(), h.what)
		if item.Name != "" {
			windows.begin(during, item.Name)
			if item.For == 0 {
				previous, open = item.Name, i
			}
		}
		r.run.Events[i] = e
		until := r.until(item)
		if until == 0 {
			continue
		}
		g.Go(func() error {
			if err := r.sleepUntil(during, until); err != nil {
				return err
			}
			ends[i] = until
			if item.Hold == nil {
				r.quiesce(during, until-guard)
			}
			if item.Name != "" && item.For > 0 {
				windows.end(during, item.Name)
				r.ended(record.Phase{Name: item.Name, From: e.At, To: min(r.file.End(), until-guard)})
			}
			if h.end != nil {
				if err := h.end(during); err != nil {
					return fmt.Errorf("%s: the end of %s: %w", r.file.Where(fmt.Sprintf("spec.timeline[%d]", i)), h.what, err)
				}
			}
			r.run.Events[i].Until = r.since()
			r.progress("  %6.1fs  over: %s", r.since().Seconds(), h.what)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	windows.begin(ctx, "after")
	if err := r.sleepUntil(ctx, r.file.End()); err != nil {
		return err
	}
	if previous != "" {
		windows.end(ctx, previous)
	}
	windows.end(ctx, "after")
	windows.end(ctx, "all")
	r.phases(order, begins, ends)
	return nil
}

// until is when an item's effect ends, or 0 if it does not: a fault or a hold without a time of its own lasts to the end of
// the load.
func (r *runner) until(item spec.Item) time.Duration {
	switch {
	case item.For > 0:
		return item.At.D() + item.For.D()
	case item.Fault != nil, item.Hold != nil:
		return r.file.End()
	}
	return 0
}

// phases computes the judged windows from when things were effective.
func (r *runner) phases(order []int, begins, ends []time.Duration) {
	items := r.file.Spec.Timeline
	end := r.file.End()
	add := func(name string, from, to time.Duration) {
		r.run.Phases = append(r.run.Phases, record.Phase{Name: name, From: from, To: max(from, to)})
	}
	add("all", 0, end)
	if len(order) == 0 {
		add("before", 0, end)
		add("after", end, end)
		return
	}
	add("before", 0, items[order[0]].At.D()-guard)
	last := time.Duration(0)
	for n, i := range order {
		last = max(last, begins[i], r.run.Events[i].Until)
		if items[i].Name == "" {
			continue
		}
		to := end
		if items[i].For > 0 {
			to = min(to, ends[i]-guard)
		} else {
			for _, later := range order[n+1:] {
				if items[later].Name != "" {
					to = items[later].At.D() - guard
					break
				}
			}
		}
		add(items[i].Name, begins[i], to)
	}
	add("after", last, end)
}

func (r *runner) happening(i int, item spec.Item) happening {
	switch {
	case item.Fault != nil:
		return r.fault(i, item.Fault)
	case item.Apply != nil:
		files := r.file.Items[i]
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
		}
		return happening{
			kind: "apply", what: "apply " + strings.Join(names, ", "),
			begin: func(ctx context.Context) error { return r.apply(ctx, files) },
		}
	case item.Delete != nil:
		return r.delete(item.Delete)
	case item.Hold != nil:
		return r.hold(item.Hold)
	case item.Release != nil:
		return r.release(item.Release)
	case item.Script != nil:
		return r.script(item.Script)
	case item.Restart != nil:
		return r.restart(item.Restart)
	}
	return happening{kind: "phase", what: "phase " + item.Name}
}

func (r *runner) apply(ctx context.Context, files []config.File) error {
	r.mu.Lock()
	down := r.down
	r.mu.Unlock()
	if down {
		// A stopped control plane learns of it when it comes back.
		r.lab.Remember(files...)
		return nil
	}
	resp, err := r.lab.Apply(ctx, files...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.run.Warnings = append(r.run.Warnings, resp.Diagnostics.Warnings()...)
	return err
}

func (r *runner) delete(refs []spec.Ref) happening {
	var names []string
	var list []mesh.Reference
	for _, ref := range refs {
		ns := ref.Namespace
		if ns == "" {
			ns = config.DefaultNamespace
		}
		list = append(list, mesh.Reference{Kind: ref.Kind, Namespace: ns, Name: ref.Name})
		names = append(names, ref.Kind+" "+ref.Name)
	}
	return happening{
		kind: "delete", what: "delete " + strings.Join(names, ", "),
		begin: func(ctx context.Context) error {
			_, err := r.lab.Client().Apply(ctx, mesh.ApplyRequest{Remove: list})
			return err
		},
	}
}
