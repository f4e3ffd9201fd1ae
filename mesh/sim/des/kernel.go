package des

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrBudget is wrapped by Kernel.Err when the event budget is spent.
var ErrBudget = errors.New("the event budget is spent")

// Forever is the last moment there is, some 292 years after the start.
const Forever = time.Duration(math.MaxInt64)

// Kind says what happens. The kinds of a model are its own constants.
type Kind uint16

// Event is what Kernel.Next returns.
type Event struct {
	// At is when it happens, since the start.
	At time.Duration
	// Who is the entity to which it happens, as it was scheduled.
	Who  uint32
	Kind Kind
}

// Kernel has the clock and the events to come. It is for one goroutine.
type Kernel struct {
	queue  radix
	timers timers
	budget uint64
	fired  uint64
	err    error
}

// New is a kernel at time 0 without events. It fires at most budget events; 0 is no limit.
func New(budget uint64) *Kernel {
	if budget == 0 {
		budget = math.MaxUint64
	}
	k := &Kernel{budget: budget}
	k.queue.init()
	return k
}

// Reserve makes room, so that no method allocates while no more than pending events are to come.
func (k *Kernel) Reserve(pending int) {
	most := 2*pending + fewDead + 1 // with those that were cancelled, see Cancel
	k.queue.reserve(most)
	k.timers.reserve(most)
}

// Now is the time of the last event that Next returned, 0 before the first.
func (k *Kernel) Now() time.Duration { return time.Duration(k.queue.last) }

// Fired is how many events Next has returned.
func (k *Kernel) Fired() uint64 { return k.fired }

// Pending is how many events are to come. Those that were cancelled do not count.
func (k *Kernel) Pending() int { return k.queue.size - k.timers.dead }

// Err is why Next ended before its time: it wraps ErrBudget, or is nil.
func (k *Kernel) Err() error { return k.err }

// At schedules an event that cannot be cancelled. A time before Now is a mistake of the model and panics.
func (k *Kernel) At(t time.Duration, kind Kind, who uint32) {
	if t < k.Now() {
		k.past(t)
	}
	k.queue.push(item{at: uint64(t), who: who, kind: kind})
}

// After is At, d from now.
func (k *Kernel) After(d time.Duration, kind Kind, who uint32) { k.At(k.Now()+d, kind, who) }

// past is a function of its own so that At stays small.
func (k *Kernel) past(t time.Duration) {
	panic(fmt.Sprintf("des: an event for %v at %v: time does not run backwards (or it overflowed)", t, k.Now()))
}

// Next moves the clock to the next event and returns it. It returns false, and leaves the clock, if none is due up to and including
// until. It returns false for good when one more event would be above the budget; then Err says so.
func (k *Kernel) Next(until time.Duration) (Event, bool) {
	for {
		it, ok := k.queue.pop(uint64(max(until, -1)) + 1)
		if !ok {
			return Event{}, false
		}
		e := Event{At: time.Duration(it.at), Who: it.who, Kind: it.kind}
		if it.timer {
			var live bool
			if e.Kind, e.Who, live = k.timers.expire(it.who); !live {
				continue
			}
		}
		if k.fired == k.budget {
			k.err = fmt.Errorf("%w: %d events by %v of virtual time", ErrBudget, k.budget, k.Now())
			return Event{}, false
		}
		k.fired++
		return e, true
	}
}
