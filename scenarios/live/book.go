package live

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// book keeps the phases of a run as they begin and end, and has the counters read at their edges.
type book struct {
	windows *windows
	// over is told of each phase that ends; it may be nil.
	over func(record.Phase)

	mu sync.Mutex
	// open holds when each open phase began; seen are all that have.
	open map[string]time.Duration
	seen map[string]bool
	// closing are open phases to which no request that is due now belongs any more.
	closing map[string]bool
	// current is the phase that lasts until the next named item.
	current string
	done    []record.Phase
	// last is when something last took effect or ended.
	last time.Duration
}

func newBook(w *windows, over func(record.Phase)) *book {
	return &book{windows: w, over: over, open: map[string]time.Duration{}, seen: map[string]bool{}, closing: map[string]bool{}}
}

// start opens the phases that every run has.
func (b *book) start(ctx context.Context) {
	b.begin(ctx, "all", 0, false)
	b.begin(ctx, "before", 0, false)
}

// change ends, at a time, what ends when an item happens: before, and for a named item the phase that lasted until it.
func (b *book) change(ctx context.Context, name string, at time.Duration) {
	b.mu.Lock()
	_, first := b.open["before"]
	current := ""
	if name != "" {
		current, b.current = b.current, ""
	}
	b.mu.Unlock()
	if first {
		b.end(ctx, "before", at)
	}
	if current != "" {
		b.end(ctx, current, at)
	}
}

// begin opens a phase; one that is lasting ends with the next named item. A phase without a name only counts as a change.
func (b *book) begin(ctx context.Context, name string, at time.Duration, lasting bool) {
	b.touch(at)
	if name == "" {
		return
	}
	b.mu.Lock()
	b.open[name], b.seen[name] = at, true
	if lasting {
		b.current = name
	}
	b.mu.Unlock()
	b.windows.begin(ctx, name)
}

// end closes a phase.
func (b *book) end(ctx context.Context, name string, at time.Duration) {
	b.mu.Lock()
	from, open := b.open[name]
	delete(b.open, name)
	delete(b.closing, name)
	p := record.Phase{Name: name, From: from, To: max(from, at)}
	if open {
		b.done = append(b.done, p)
	}
	b.mu.Unlock()
	if !open {
		return
	}
	b.windows.end(ctx, name)
	if b.over != nil {
		b.over(p)
	}
}

// changing notes that change comes for an item.
func (b *book) changing(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closing["before"] = true
	if name != "" {
		b.closing[b.current] = true
	}
}

// ending notes that a phase's end comes.
func (b *book) ending(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closing[name] = true
}

// partial gives the open phases up to a time, but those that are about to end.
func (b *book) partial(to time.Duration) []record.Phase {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []record.Phase
	for _, name := range slices.Sorted(maps.Keys(b.open)) {
		if from := b.open[name]; from < to && !b.closing[name] {
			out = append(out, record.Phase{Name: name, From: from, To: to})
		}
	}
	return out
}

// touch notes that something took effect or ended.
func (b *book) touch(at time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = max(b.last, at)
}

// has reports whether a phase has begun.
func (b *book) has(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[name]
}

// settle opens the last phase, when all has happened.
func (b *book) settle(ctx context.Context) {
	b.mu.Lock()
	_, nothing := b.open["before"]
	last := b.last
	b.mu.Unlock()
	if !nothing {
		b.begin(ctx, "after", last, false)
	}
}

// finish closes what is open, at the end of the load, and gives all phases by their begin.
func (b *book) finish(ctx context.Context, end time.Duration) []record.Phase {
	b.mu.Lock()
	var open []string
	for name := range b.open {
		open = append(open, name)
	}
	_, after := b.open["after"]
	b.mu.Unlock()
	slices.Sort(open)
	for _, name := range open {
		b.end(ctx, name, end)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !after {
		b.done = append(b.done, record.Phase{Name: "after", From: end, To: end})
	}
	slices.SortStableFunc(b.done, func(x, y record.Phase) int {
		return cmp.Or(cmp.Compare(x.From, y.From), -cmp.Compare(x.To, y.To))
	})
	return b.done
}
