package zipkin

import (
	"container/list"
	"context"
	"slices"
	"sync"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// DefaultMaxSpans bounds a store: some 400 MB of Envoy's spans.
const DefaultMaxSpans = 200_000

// Store holds traces, up to a number of spans; then the oldest traces, by their first arrival, are dropped and counted.
// It may be used by several goroutines at once.
type Store struct {
	max int

	mu      sync.Mutex
	traces  map[string]*list.Element // of *trace
	order   *list.List               // by first arrival
	spans   int
	dropped int
	waiters map[*waiter]bool
}

type trace struct {
	id    string
	spans []telemetry.Span
}

type waiter struct {
	pending map[string]bool
	enough  func(telemetry.Tree) bool
	done    chan struct{}
}

// NewStore makes a store of at most so many spans; 0: DefaultMaxSpans. A trace larger than that is kept whole.
func NewStore(maxSpans int) *Store {
	if maxSpans <= 0 {
		maxSpans = DefaultMaxSpans
	}
	return &Store{max: maxSpans, traces: map[string]*list.Element{}, order: list.New(), waiters: map[*waiter]bool{}}
}

// Add files spans, whose ids are as Normalize leaves them.
func (s *Store) Add(spans ...telemetry.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := map[string]bool{}
	for _, span := range spans {
		e := s.traces[span.TraceID]
		if e == nil {
			e = s.order.PushBack(&trace{id: span.TraceID})
			s.traces[span.TraceID] = e
		}
		t := e.Value.(*trace) //nolint:forcetypeassert // nothing else is in the list
		t.spans = append(t.spans, span)
		s.spans++
		changed[span.TraceID] = true
	}
	for s.spans > s.max && s.order.Len() > 1 {
		oldest := s.order.Front()
		t := s.order.Remove(oldest).(*trace) //nolint:forcetypeassert // as above
		delete(s.traces, t.id)
		s.spans -= len(t.spans)
		s.dropped++
	}
	for w := range s.waiters {
		for id := range changed {
			s.look(w, id)
		}
	}
}

// look is called under the lock.
func (s *Store) look(w *waiter, id string) {
	if !w.pending[id] || !w.enough(telemetry.MakeTree(s.get(id))) {
		return
	}
	delete(w.pending, id)
	if len(w.pending) == 0 {
		close(w.done)
	}
}

// get is called under the lock.
func (s *Store) get(id string) []telemetry.Span {
	if e := s.traces[id]; e != nil {
		return e.Value.(*trace).spans //nolint:forcetypeassert // nothing else is in the list
	}
	return nil
}

// Trace returns a trace in order; false if the store has none of its spans.
func (s *Store) Trace(id string) (telemetry.Tree, bool) {
	spans := s.Spans(id)
	return telemetry.MakeTree(spans), len(spans) > 0
}

// Spans returns the spans of a trace as they came.
func (s *Store) Spans(id string) []telemetry.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.get(normalTrace(id)))
}

// All returns all spans, trace by trace in the order of their first arrival.
func (s *Store) All() []telemetry.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	spans := make([]telemetry.Span, 0, s.spans)
	for e := s.order.Front(); e != nil; e = e.Next() {
		spans = append(spans, e.Value.(*trace).spans...) //nolint:forcetypeassert // as above
	}
	return spans
}

// Wait returns as soon as each of the traces is enough in the eyes of the given function, which must be quick. When ctx ends
// first it returns the ids of those that are not, in the order given.
func (s *Store) Wait(ctx context.Context, ids []string, enough func(telemetry.Tree) bool) (missing []string) {
	w := &waiter{pending: map[string]bool{}, enough: enough, done: make(chan struct{})}
	s.mu.Lock()
	for _, id := range ids {
		w.pending[normalTrace(id)] = true
	}
	s.waiters[w] = true
	if len(w.pending) == 0 {
		close(w.done)
	}
	for _, id := range ids {
		s.look(w, normalTrace(id))
	}
	s.mu.Unlock()

	select {
	case <-w.done:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiters, w)
	for _, id := range ids {
		if w.pending[normalTrace(id)] {
			missing = append(missing, id)
		}
	}
	return missing
}

// Stats of a store.
type Stats struct {
	// Traces and Spans are what it holds.
	Traces, Spans int
	// Dropped is how many traces had to go.
	Dropped int
}

// Stats returns counts.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Traces: len(s.traces), Spans: s.spans, Dropped: s.dropped}
}

// snapshot returns the traces, newest first; their spans are not changed any more.
func (s *Store) snapshot() [][]telemetry.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([][]telemetry.Span, 0, len(s.traces))
	for e := s.order.Back(); e != nil; e = e.Prev() {
		all = append(all, slices.Clip(e.Value.(*trace).spans)) //nolint:forcetypeassert // as above
	}
	return all
}
