package des

import (
	"math"
	"slices"
	"time"
)

// Timer names an event that can be cancelled. The zero Timer names none.
type Timer struct{ slot, generation uint32 }

// timers are the events that can be cancelled. What was cancelled stays in the queue until it is due or swept out, and so does its slot.
type timers struct {
	slots []slot
	free  []uint32
	// dead is how many cancelled items are in the queue.
	dead int
}

type slot struct {
	// generation tells the timers apart that a slot had one after another.
	generation uint32
	who        uint32
	kind       Kind
	live       bool
}

// fewDead cancelled items are not worth sweeping.
const fewDead = 1024

// Timer is At for an event that can be cancelled.
func (k *Kernel) Timer(t time.Duration, kind Kind, who uint32) Timer {
	if t < k.Now() {
		k.past(t)
	}
	timer := k.timers.add(kind, who)
	k.queue.push(item{at: uint64(t), who: timer.slot, timer: true})
	return timer
}

// Cancel takes an event back. It returns false if there is nothing to take back: the event has happened or was cancelled before.
// It costs a constant time on average. Cancelled events are thrown away when they are more than those to come and than fewDead.
func (k *Kernel) Cancel(t Timer) bool {
	if !k.timers.cancel(t) {
		return false
	}
	if k.timers.dead > fewDead && k.timers.dead > k.queue.size/2 {
		k.sweep()
	}
	return true
}

// sweep throws away what was cancelled.
func (k *Kernel) sweep() {
	k.queue.sweep(func(it item) bool {
		dead := it.timer && !k.timers.slots[it.who].live
		if dead {
			k.timers.release(it.who)
		}
		return dead
	})
}

func (ts *timers) reserve(n int) {
	ts.slots = slices.Grow(ts.slots, max(0, n-len(ts.slots)))
	ts.free = slices.Grow(ts.free, max(0, n-len(ts.free)))
}

func (ts *timers) add(kind Kind, who uint32) Timer {
	var i uint32
	if n := len(ts.free); n > 0 {
		i = ts.free[n-1]
		ts.free = ts.free[:n-1]
	} else {
		i = uint32(len(ts.slots))
		ts.slots = append(ts.slots, slot{generation: 1})
	}
	s := &ts.slots[i]
	s.kind, s.who, s.live = kind, who, true
	return Timer{i, s.generation}
}

func (ts *timers) cancel(t Timer) bool {
	if int(t.slot) >= len(ts.slots) {
		return false
	}
	s := &ts.slots[t.slot]
	if s.generation != t.generation || !s.live {
		return false
	}
	s.live = false
	ts.dead++
	return true
}

// expire frees a slot whose item left the queue. It returns what its timer was for, and false if that was cancelled.
func (ts *timers) expire(i uint32) (kind Kind, who uint32, live bool) {
	s := &ts.slots[i]
	if !s.live {
		ts.release(i)
		return 0, 0, false
	}
	s.live = false
	ts.reuse(i)
	return s.kind, s.who, true
}

// release frees the slot of a cancelled timer.
func (ts *timers) release(i uint32) {
	ts.dead--
	ts.reuse(i)
}

// reuse gives a slot to later timers, unless its generations are used up: then a very old Timer could name a new event.
func (ts *timers) reuse(i uint32) {
	s := &ts.slots[i]
	if s.generation < math.MaxUint32 {
		s.generation++
		ts.free = append(ts.free, i)
	}
}
