package telemetry

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Ledger holds the hops of a run. It may be used by several goroutines at once; the zero Ledger is empty and ready.
type Ledger struct {
	mu        sync.Mutex
	hops      []Hop
	byTrace   map[string][]int
	byRequest map[string][]int // by RequestKey
	byProxy   map[string]int   // requests
	tcp       map[string]int   // connections
	waiters   map[*waiter]bool
}

// waiter waits for the first hops of requests.
type waiter struct {
	proxies map[string]bool // nil: any
	missing map[string]bool // by RequestKey
	done    chan struct{}   // closed when nothing is missing
}

func (w *waiter) see(h *Hop) {
	if len(w.missing) == 0 || w.proxies != nil && !w.proxies[h.Proxy] {
		return
	}
	delete(w.missing, RequestKey(h.RequestID))
	if len(w.missing) == 0 {
		close(w.done)
	}
}

// Add files a hop.
func (l *Ledger) Add(h Hop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byTrace == nil {
		l.byTrace, l.byRequest = map[string][]int{}, map[string][]int{}
		l.byProxy, l.tcp = map[string]int{}, map[string]int{}
	}
	n := len(l.hops)
	l.hops = append(l.hops, h)
	if h.TCP {
		l.tcp[h.Proxy]++
	} else {
		l.byProxy[h.Proxy]++
	}
	if h.TraceID != "" {
		l.byTrace[h.TraceID] = append(l.byTrace[h.TraceID], n)
	}
	if h.RequestID != "" {
		key := RequestKey(h.RequestID)
		l.byRequest[key] = append(l.byRequest[key], n)
	}
	for w := range l.waiters {
		w.see(&h)
	}
}

// From gives the hops that came after the first n, in the order in which they came.
func (l *Ledger) From(n int) []Hop {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hops[min(n, len(l.hops)):])
}

// Wait returns as soon as each of the request ids has a hop of one of the proxies, which are given by node id; without any,
// of whichever proxy. When ctx ends first it returns the ids that are missing, in the order given; nil means that none is.
func (l *Ledger) Wait(ctx context.Context, ids []string, proxies ...string) (missing []string) {
	w := &waiter{missing: map[string]bool{}, done: make(chan struct{})}
	if len(proxies) > 0 {
		w.proxies = map[string]bool{}
		for _, p := range proxies {
			w.proxies[p] = true
		}
	}
	l.mu.Lock()
	for _, id := range ids {
		if key := RequestKey(id); !l.seen(key, w.proxies) {
			w.missing[key] = true
		}
	}
	if len(w.missing) == 0 {
		l.mu.Unlock()
		return nil
	}
	if l.waiters == nil {
		l.waiters = map[*waiter]bool{}
	}
	l.waiters[w] = true
	l.mu.Unlock()

	select {
	case <-w.done:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiters, w)
	for _, id := range ids {
		if w.missing[RequestKey(id)] {
			missing = append(missing, id)
		}
	}
	return missing
}

// seen is asked under the lock.
func (l *Ledger) seen(key string, proxies map[string]bool) bool {
	return slices.ContainsFunc(l.byRequest[key], func(n int) bool { return proxies == nil || proxies[l.hops[n].Proxy] })
}

// All returns a copy of all hops, in the order of their arrival.
func (l *Ledger) All() []Hop {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hops)
}

// Hops returns the hops that began in [from, to), by time.
func (l *Ledger) Hops(from, to time.Time) []Hop {
	l.mu.Lock()
	defer l.mu.Unlock()
	var hops []Hop
	for _, h := range l.hops {
		if !h.Time.Before(from) && h.Time.Before(to) {
			hops = append(hops, h)
		}
	}
	slices.SortStableFunc(hops, func(a, b Hop) int { return a.Time.Compare(b.Time) })
	return hops
}

// ByTrace returns the hops of a trace, by time.
func (l *Ledger) ByTrace(id string) []Hop {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pick(l.byTrace[id])
}

// ByRequest returns the hops of a request id, by time.
func (l *Ledger) ByRequest(id string) []Hop {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pick(l.byRequest[RequestKey(id)])
}

func (l *Ledger) pick(numbers []int) []Hop {
	hops := make([]Hop, 0, len(numbers))
	for _, n := range numbers {
		hops = append(hops, l.hops[n])
	}
	slices.SortStableFunc(hops, func(a, b Hop) int { return a.Time.Compare(b.Time) })
	return hops
}

// Len is the number of hops.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.hops)
}

// Counts is the number of hops by proxy, to compare with what each says that it wrote.
func (l *Ledger) Counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := make(map[string]int, len(l.byProxy))
	maps.Copy(counts, l.byProxy)
	return counts
}

// Connections tells how many TCP connections each proxy has logged, by node id.
func (l *Ledger) Connections() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.tcp)
}

// Begin sets the counts from which a ledger goes on that does not see everything from the start.
func (l *Ledger) Begin(requests, connections map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byTrace, l.byRequest = map[string][]int{}, map[string][]int{}
	l.byProxy, l.tcp = maps.Clone(requests), maps.Clone(connections)
	if l.byProxy == nil {
		l.byProxy = map[string]int{}
	}
	if l.tcp == nil {
		l.tcp = map[string]int{}
	}
}
