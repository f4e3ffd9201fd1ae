package virtual

import (
	"fmt"
	"time"

	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// happening is one item of the timeline. begin calls done when it is effective; end, which may be nil, when it is undone.
type happening struct {
	kind, what string
	begin      func(done func())
	end        func(done func())
	// evidence looks for proof after the run.
	evidence func(record.Event) (found, missing string)
}

// turn is held by what happens, one at a time.
type turn struct {
	held bool
	next []func()
}

func (t *turn) take(f func()) {
	if t.held {
		t.next = append(t.next, f)
		return
	}
	t.held = true
	f()
}

func (t *turn) give() {
	if len(t.next) == 0 {
		t.held = false
		return
	}
	f := t.next[0]
	t.next = t.next[1:]
	f()
}

// timeline plans what the scenario says, each item at its time. A phase begins when its item is effective.
func (e *engine) timeline() {
	items := e.file.Spec.Timeline
	e.run.Events = make([]record.Event, len(items))
	for i, item := range items {
		h := e.happening(i, item)
		h.kind, h.what = plan.Words(item, e.file.Items[i])
		e.happened = append(e.happened, h)
	}
	order := plan.Order(items)
	e.pending++ // until all items have had their turn
	e.at(0, func() {
		e.book.begin("all", 0, false)
		e.book.begin("before", 0, false)
		e.next(order)
	})
}

// next lets the first of a list of items happen at its time, and then the others.
func (e *engine) next(order []int) {
	if len(order) == 0 {
		e.over()
		return
	}
	i := order[0]
	item := e.file.Spec.Timeline[i]
	e.at(item.At.D(), func() {
		if item.When != nil {
			e.pending++
			e.onceTrue(i, item, &condition{Condition: *item.When, since: -1})
			e.next(order[1:])
			return
		}
		e.happen(i, item, item.At.D(), func() { e.next(order[1:]) })
	})
}

// over is when something that was pending is done; the last opens the last phase.
func (e *engine) over() {
	if e.pending--; e.pending == 0 {
		e.book.settle()
	}
}

// onceTrue lets an item happen as soon as its condition holds, and not at all if it never does.
func (e *engine) onceTrue(i int, item spec.Item, watch *condition) {
	e.after(plan.Poll, func() {
		_, holds := watch.holds(e)
		switch {
		case holds:
			e.happen(i, item, e.since(), e.over)
		case e.since() < e.file.End():
			e.onceTrue(i, item, watch)
		default:
			e.turn.take(func() {
				e.skip(i, fmt.Sprintf("success of %s was never %s for %s", item.When.Load, item.When.Success, item.When.For))
				e.over()
			})
		}
	})
}

// skip notes that an item did not happen, and gives the turn to the next.
func (e *engine) skip(i int, why string) {
	what := e.happened[i].what + ": " + why
	e.happened[i].evidence = nil
	e.run.Events[i] = record.Event{Kind: "skipped", What: what, Name: e.file.Spec.Timeline[i].Name, At: e.since()}
	e.progress("  %6.1fs  not done: %s", e.since().Seconds(), what)
	e.turn.give()
}

// happen lets an item take effect, one at a time, and undoes it when its time is over.
func (e *engine) happen(i int, item spec.Item, at time.Duration, done func()) {
	for _, name := range item.Unless {
		if e.book.seen[name] {
			e.turn.take(func() {
				e.skip(i, name+" has happened")
				done()
			})
			return
		}
	}
	e.turn.take(func() {
		e.quiesce(at-plan.Guard, func() {
			e.book.change(item.Name, at-plan.Guard)
			h := e.happened[i]
			began := e.since()
			effective := func() {
				now := e.since()
				e.run.Events[i] = record.Event{Kind: h.kind, What: h.what, Name: item.Name, At: now, Took: now - began}
				e.progress("  %6.1fs  %s", now.Seconds(), h.what)
				e.book.begin(item.Name, now, item.For == 0)
				if until := plan.Until(e.file, item, at); until != 0 {
					e.pending++
					e.at(until, func() { e.undo(i, item, until) })
				}
				e.turn.give()
				done()
			}
			if h.begin == nil {
				effective()
				return
			}
			h.begin(effective)
		})
	})
}

// undo ends the effect of an item whose time is over.
func (e *engine) undo(i int, item spec.Item, until time.Duration) {
	h := e.happened[i]
	ended := func() {
		now := e.since()
		e.run.Events[i].Until = now
		e.book.touch(now)
		e.progress("  %6.1fs  over: %s", now.Seconds(), h.what)
		e.over()
	}
	quiet := func() {
		if item.For > 0 {
			e.book.end(item.Name, min(e.file.End(), until-plan.Guard))
		}
		if h.end == nil {
			ended()
			return
		}
		h.end(ended)
	}
	if item.Hold != nil {
		quiet()
		return
	}
	e.quiesce(until-plan.Guard, quiet)
}

// condition is something that must hold for a while.
type condition struct {
	spec.Condition
	since time.Duration // below 0: it does not hold
}

// holds reports whether the condition has held for as long as it says, and the share of success at the moment.
func (c *condition) holds(e *engine) (share float64, long bool) {
	share, n := e.recentSuccess(c.Load)
	if n == 0 || !c.Success.Holds(share) {
		c.since = -1
		return share, false
	}
	if c.since < 0 {
		c.since = e.mesh.Now()
	}
	return share, e.mesh.Now()-c.since >= c.For.D()
}

// recentSuccess is the share of answers below 500 among those of the last second.
func (e *engine) recentSuccess(load string) (percent float64, n int) {
	good, from := 0, e.clock().Add(-time.Second)
	for i := len(e.run.Results) - 1; i >= 0; i-- {
		res := &e.run.Results[i]
		if res.End.Before(from) {
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

// guardRails stops the run as soon as one of its conditions has held for as long as it says.
func (e *engine) guardRails() {
	var rails []*condition
	for _, a := range e.file.Spec.AbortIf {
		rails = append(rails, &condition{Condition: a, since: -1})
	}
	if len(rails) == 0 {
		return
	}
	var look func()
	look = func() {
		for i, a := range rails {
			if share, fired := a.holds(e); fired {
				e.run.Aborted = fmt.Sprintf("%s: stopped after %s: success of %s was %.1f%%, %s for %s",
					e.file.Where(fmt.Sprintf("spec.abortIf[%d]", i)), e.since().Round(time.Millisecond), a.Load, share, a.Success, a.For)
				e.stopped = true
				return
			}
		}
		if e.since() < e.file.End() {
			e.after(plan.Poll, look)
		}
	}
	e.at(-e.run.Warmup, look)
}
