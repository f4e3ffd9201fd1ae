package backend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/squallmesh/squall/bookinfo/internal/crew"
)

// ledger knows every request and decides what becomes of it. All of it is under one lock, so that every state anyone
// sees is one that was.
type ledger struct {
	max int

	mu       sync.Mutex
	ports    map[string]*PortState
	seen     map[string]int   // arrivals by request id
	attempts map[attempt]int  // index into counts
	counts   []AttemptCount   // in order of first arrival
	omitted  int64            // arrivals beyond max
	holds    []HoldSpec       // any of them holds
	held     []*ticket        // oldest first
	rules    []scripted       // first match counts
	crew     crew.Crew        // works on what rules with workers match
	waiters  map[*waiter]bool // who waits for a condition
	undo     chan struct{}    // closed by the next reset: ends delays and hangs
}

type attempt struct {
	id string
	n  int
}

type scripted struct {
	Rule
	next int // requests that took their turn in sequence
}

type waiter struct {
	cond Condition
	met  chan State
}

// ticket is one request's place in the ledger.
type ticket struct {
	request
	attempt  int
	numbered bool          // the attempt comes from the request, not from thin air
	released chan struct{} // nil unless held
	ended    bool
}

func newLedger(maxIDs int) *ledger {
	l := &ledger{max: maxIDs, ports: map[string]*PortState{}, waiters: map[*waiter]bool{}, undo: make(chan struct{})}
	for _, name := range portNames() {
		l.ports[name] = &PortState{}
	}
	l.clear()
	return l
}

// clear forgets the past; what is open or in flight stays.
func (l *ledger) clear() {
	for _, p := range l.ports {
		*p = PortState{
			Arrived: p.InFlight, InFlight: p.InFlight, Held: p.Held,
			ConnectionsOpened: p.ConnectionsOpen, ConnectionsOpen: p.ConnectionsOpen,
			Statuses: map[string]int64{},
		}
	}
	l.seen, l.attempts, l.counts, l.omitted = map[string]int{}, map[attempt]int{}, nil, 0
}

// arrive enters a request.
func (l *ledger) arrive(r request) *ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &ticket{request: r, attempt: 1}
	id := r.id()
	if _, known := l.seen[id]; id != "" && (known || len(l.seen) < l.max) {
		l.seen[id]++
		t.attempt, t.numbered = l.seen[id], true
	}
	if n, err := strconv.Atoi(r.header.Get("X-Envoy-Attempt-Count")); err == nil && n > 0 {
		t.attempt, t.numbered = n, true
	}
	if id != "" {
		l.count(attempt{id, t.attempt})
	}
	p := l.ports[r.port]
	p.Arrived++
	p.InFlight++
	l.changed()
	return t
}

func (l *ledger) count(a attempt) {
	i, known := l.attempts[a]
	switch {
	case known:
		l.counts[i].Count++
	case len(l.counts) < l.max:
		l.attempts[a] = len(l.counts)
		l.counts = append(l.counts, AttemptCount{RequestID: a.id, Attempt: a.n, Count: 1})
	default:
		l.omitted++
	}
}

// await holds the request if it is to be held, until it is released. False: its caller left or the backend stops.
func (l *ledger) await(ctx context.Context, stop <-chan struct{}, t *ticket) bool {
	l.mu.Lock()
	if !slices.ContainsFunc(l.holds, func(h HoldSpec) bool { return h.matches(t.request) }) {
		l.mu.Unlock()
		return true
	}
	t.released = make(chan struct{})
	l.held = append(l.held, t)
	l.ports[t.port].Held++
	l.changed()
	l.mu.Unlock()

	select {
	case <-t.released:
		return true
	case <-ctx.Done():
	case <-stop:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.held, t)
	if i < 0 { // released at the same moment, and told so
		return true
	}
	l.held = slices.Delete(l.held, i, i+1)
	l.ports[t.port].Held--
	l.leave(t)
	return false
}

// outcome looks up what the script has for a request.
func (l *ledger) outcome(t *ticket) Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.rules {
		r := &l.rules[i]
		if !r.matches(t.request) {
			continue
		}
		n := t.attempt
		if r.Sequence || !t.numbered {
			r.next++
			n = r.next
		}
		o := r.Outcomes[min(n, len(r.Outcomes))-1]
		if r.Workers > 0 {
			o.Delay = l.crew.Take(time.Now(), r.Workers, o.Delay)
		}
		return o
	}
	return Outcome{}
}

// pause waits for d, or without end if d is negative. It returns early, with true, when the backend is reset, and with
// false when the caller leaves or the backend stops.
func (l *ledger) pause(ctx context.Context, stop <-chan struct{}, d time.Duration) bool {
	if d == 0 {
		return true
	}
	l.mu.Lock()
	undo := l.undo
	l.mu.Unlock()
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return true
	case <-undo:
		return true
	case <-ctx.Done():
	case <-stop:
	}
	return false
}

// complete counts a request as ended by the backend.
func (l *ledger) complete(t *ticket, status string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	p := l.ports[t.port]
	p.InFlight--
	p.Completed++
	p.Statuses[status]++
	l.changed()
}

// left counts a request as ended by its caller, unless it has been counted before.
func (l *ledger) left(t *ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leave(t)
}

func (l *ledger) leave(t *ticket) {
	if t.ended {
		return
	}
	t.ended = true
	p := l.ports[t.port]
	p.InFlight--
	p.Left++
	l.changed()
}

func (l *ledger) opened(port string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ports[port].ConnectionsOpened++
	l.ports[port].ConnectionsOpen++
	l.changed()
}

func (l *ledger) closed(port string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ports[port].ConnectionsOpen--
	l.changed()
}

func (l *ledger) hold(h HoldSpec) error {
	if err := h.check(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holds = append(l.holds, h)
	return nil
}

// release lets the n oldest held requests go and returns how many went; a negative n all, and it stops holding.
func (l *ledger) release(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.let(n)
}

func (l *ledger) let(n int) int {
	if n < 0 {
		n, l.holds = len(l.held), nil
	}
	n = min(n, len(l.held))
	for _, t := range l.held[:n] {
		l.ports[t.port].Held--
		close(t.released)
	}
	l.held = slices.Delete(l.held, 0, n)
	if n > 0 {
		l.changed()
	}
	return n
}

func (l *ledger) script(rules []Rule) error {
	if err := checkRules(rules); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = nil
	for _, r := range rules {
		l.rules = append(l.rules, scripted{Rule: r})
	}
	return nil
}

// reset undoes holds and script, ends what they keep waiting, and begins counting afresh.
func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules, l.crew = nil, nil
	l.let(-1)
	close(l.undo)
	l.undo = make(chan struct{})
	l.clear()
	l.changed()
}

func (l *ledger) state() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.summary()
	s.Attempts = slices.Clone(l.counts)
	return s
}

// summary is the state without its attempts.
func (l *ledger) summary() State {
	s := State{Ports: map[string]PortState{}, Omitted: l.omitted}
	for name, p := range l.ports {
		c := *p
		c.Statuses = maps.Clone(p.Statuses)
		s.Ports[name] = c
	}
	return s
}

// wait returns the first state in which the condition holds, however briefly it did.
func (l *ledger) wait(ctx context.Context, stop <-chan struct{}, c Condition) (State, error) {
	l.mu.Lock()
	if c.Port != "" && l.ports[c.Port] == nil {
		l.mu.Unlock()
		return State{}, unknownPort(c.Port)
	}
	w := &waiter{cond: c, met: make(chan State, 1)}
	l.waiters[w] = true
	l.changed()
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.waiters, w)
		l.mu.Unlock()
	}()
	select {
	case s := <-w.met:
		return s, nil
	case <-ctx.Done():
		return State{}, context.Cause(ctx)
	case <-stop:
		return State{}, fmt.Errorf("the backend stopped before %v", c)
	}
}

// changed tells those whose condition now holds.
func (l *ledger) changed() {
	for w := range l.waiters {
		p := l.ports[w.cond.Port]
		if w.cond.Port == "" {
			t := l.summary().Total()
			p = &t
		}
		if w.cond.holds(*p) {
			w.met <- l.summary()
			delete(l.waiters, w)
		}
	}
}
