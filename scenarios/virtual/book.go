package virtual

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/record"
)

// book keeps the phases of a run as they begin and end, and the counters at their edges.
type book struct {
	e       *engine
	open    map[string]time.Duration
	seen    map[string]bool
	current string // the phase that lasts until the next named item
	last    time.Duration
	proxies []string // whose counters checks ask for, by the names that they use
}

func newBook(e *engine) *book {
	b := &book{e: e, open: map[string]time.Duration{}, seen: map[string]bool{}}
	for _, c := range e.file.Spec.Checks {
		if c.Counter != nil && !slices.Contains(b.proxies, c.Counter.Proxy) {
			b.proxies = append(b.proxies, c.Counter.Proxy)
		}
	}
	return b
}

// change ends what ends when an item happens: before, and for a named item the phase that lasted until it.
func (b *book) change(name string, at time.Duration) {
	current := b.current
	b.end("before", at)
	if name != "" && current != "" {
		b.current = ""
		b.end(current, at)
	}
}

// begin opens a phase; one that is lasting ends with the next named item.
func (b *book) begin(name string, at time.Duration, lasting bool) {
	b.touch(at)
	if name == "" {
		return
	}
	b.open[name], b.seen[name] = at, true
	if lasting {
		b.current = name
	}
	b.read(name, func(w *record.Window, c map[string]uint64) { w.Begin = c })
}

// end closes a phase, if it is open.
func (b *book) end(name string, at time.Duration) {
	from, open := b.open[name]
	if !open {
		return
	}
	delete(b.open, name)
	b.e.run.Phases = append(b.e.run.Phases, record.Phase{Name: name, From: from, To: max(from, at)})
	b.read(name, func(w *record.Window, c map[string]uint64) { w.End = c })
}

func (b *book) touch(at time.Duration) { b.last = max(b.last, at) }

// read takes the counters of the proxies that checks name. One that is gone is left out, which makes its checks inconclusive.
func (b *book) read(phase string, put func(*record.Window, map[string]uint64)) {
	for _, name := range b.proxies {
		w, ok := b.e.place.find(name)
		if !ok {
			continue
		}
		counters, ok := b.e.mesh.Counters(w.proxy.ID)
		if !ok {
			continue
		}
		all := b.e.run.Counters
		if all[phase] == nil {
			all[phase] = map[string]record.Window{}
		}
		v := all[phase][name]
		put(&v, counters)
		all[phase][name] = v
	}
}

// settle opens the last phase, when all has happened.
func (b *book) settle() {
	if _, nothing := b.open["before"]; !nothing && !b.seen["after"] {
		b.begin("after", b.last, false)
	}
}

// finish closes what is open at the end of the load, and puts the phases in order.
func (b *book) finish() {
	end := b.e.file.End()
	if b.e.stopped {
		end = min(end, b.e.since())
	}
	for _, name := range slices.Sorted(maps.Keys(b.open)) {
		b.end(name, end)
	}
	if !b.seen["after"] {
		b.e.run.Phases = append(b.e.run.Phases, record.Phase{Name: "after", From: end, To: end})
	}
	slices.SortStableFunc(b.e.run.Phases, func(x, y record.Phase) int {
		return cmp.Or(cmp.Compare(x.From, y.From), -cmp.Compare(x.To, y.To))
	})
}

// waiter goes on when the requests that were due before a time have ended, or when its patience is over.
type waiter struct {
	before time.Duration
	then   func()
}

// quiesce waits, for a while, until the requests that were due before a time from t = 0 have ended.
func (e *engine) quiesce(before time.Duration, then func()) {
	if e.answered(before) {
		then()
		return
	}
	w := &waiter{before, then}
	e.waiters = append(e.waiters, w)
	e.after(plan.Quiesce, func() { e.resume(w) })
}

func (e *engine) answered(before time.Duration) bool {
	ended, due := 0, uint64(0)
	cut := start.Add(before)
	for i := range e.run.Results {
		if e.run.Results[i].Scheduled.Before(cut) {
			ended++
		}
	}
	for _, l := range e.loads {
		due += l.due(before)
	}
	return uint64(ended) >= due
}

// answeredMore looks whether somebody waits for the answer that came.
func (e *engine) answeredMore() {
	for _, w := range slices.Clone(e.waiters) {
		if e.answered(w.before) {
			e.after(0, func() { e.resume(w) })
		}
	}
}

func (e *engine) resume(w *waiter) {
	if i := slices.Index(e.waiters, w); i >= 0 {
		e.waiters = slices.Delete(e.waiters, i, i+1)
		w.then()
	}
}
