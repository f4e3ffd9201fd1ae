package des

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// entry is an event in the reference: a list sorted by time, and by the order of scheduling at equal times.
type entry struct {
	event Event
	timer Timer
}

// spans are how far ahead events lie: all at once, mostly at equal times, near, over all orders of magnitude.
var spans = map[string]func(r *rand.Rand) time.Duration{
	"at once": func(*rand.Rand) time.Duration { return 0 },
	"ties":    func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(4)) },
	"near":    func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(10_000)) },
	"wide":    func(r *rand.Rand) time.Duration { return time.Duration(r.Uint64() >> (8 + r.IntN(56))) },
}

// The kernel does what a sorted list does, whatever is scheduled, cancelled and asked for.
func TestEventsComeAsFromASortedList(t *testing.T) {
	for name, span := range spans {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				r := Stream(seed, "operations/"+name)
				k := New(0)
				var list []entry
				var gone []Timer
				who := uint32(0)
				schedule := func(timer bool) {
					e := entry{event: Event{At: k.Now() + span(r), Who: who, Kind: Kind(who % 7)}}
					who++
					if timer {
						e.timer = k.Timer(e.event.At, e.event.Kind, e.event.Who)
					} else {
						k.At(e.event.At, e.event.Kind, e.event.Who)
					}
					i, _ := slices.BinarySearchFunc(list, e, func(a, b entry) int {
						if a.event.At <= b.event.At {
							return -1
						}
						return 1
					})
					list = slices.Insert(list, i, e)
				}
				for range 4000 {
					if r.IntN(50) == 0 {
						k.sweep() // at any time, it changes nothing that shows
					}
					switch op := r.IntN(10); {
					case op < 3:
						schedule(false)
					case op < 6:
						schedule(true)
					case op < 7 && len(list) > 0:
						i := r.IntN(len(list))
						timer := list[i].timer
						require.Equal(t, timer != Timer{}, k.Cancel(timer), "only timers can be cancelled")
						if timer != (Timer{}) {
							gone = append(gone, timer)
							list = slices.Delete(list, i, i+1)
						}
					case op < 8 && len(gone) > 0:
						require.False(t, k.Cancel(gone[r.IntN(len(gone))]), "it happened or was cancelled before")
					default:
						until := Forever
						if op == 8 {
							until = k.Now() + span(r) - 1
						}
						e, ok := k.Next(until)
						require.Equal(t, len(list) > 0 && list[0].event.At <= until, ok)
						if ok {
							require.Equal(t, list[0].event, e)
							require.Equal(t, e.At, k.Now())
							if list[0].timer != (Timer{}) {
								gone = append(gone, list[0].timer)
							}
							list = list[1:]
						}
					}
					require.Equal(t, len(list), k.Pending())
				}
				for _, want := range list {
					e, ok := k.Next(Forever)
					require.True(t, ok)
					require.Equal(t, want.event, e)
				}
				_, ok := k.Next(Forever)
				require.False(t, ok)
				require.NoError(t, k.Err())
			})
		}
	}
}

// A request has a timeout of which most are never due. What was cancelled must not pile up until it would have been.
func TestCancelledEventsAreThrownAway(t *testing.T) {
	k := New(0)
	k.At(0, 1, 0)
	var kept []uint32
	for i := range uint32(100_000) {
		timer := k.Timer(time.Hour+time.Duration(i%1000), 2, i)
		if i%100 == 0 {
			kept = append(kept, i)
			continue
		}
		require.True(t, k.Cancel(timer))
		require.LessOrEqual(t, k.queue.size, 2*k.Pending()+fewDead+1)
	}
	require.Equal(t, 1001, k.Pending())
	require.Less(t, len(k.timers.slots), 4*fewDead, "slots are used again")
	slices.SortStableFunc(kept, func(a, b uint32) int { return int(a%1000) - int(b%1000) })
	e, _ := k.Next(Forever)
	require.Equal(t, Kind(1), e.Kind)
	for _, want := range kept {
		e, ok := k.Next(Forever)
		require.True(t, ok)
		require.Equal(t, Event{At: time.Hour + time.Duration(want%1000), Who: want, Kind: 2}, e)
	}
	_, ok := k.Next(Forever)
	require.False(t, ok)
}

func TestATimerOfAnEventThatHappenedDoesNotCancelTheNextOne(t *testing.T) {
	k := New(0)
	require.False(t, k.Cancel(Timer{}), "the zero Timer names no event")
	old := k.Timer(1, 0, 0)
	_, ok := k.Next(Forever)
	require.True(t, ok)
	fresh := k.Timer(2, 0, 1)
	require.Equal(t, old.slot, fresh.slot)
	require.False(t, k.Cancel(old))
	require.Equal(t, 1, k.Pending())
	require.True(t, k.Cancel(fresh))
	require.Zero(t, k.Pending())
}

// A slot whose generations are used up is left alone: the next timer would look like the first one.
func TestGenerationsNeverComeAgain(t *testing.T) {
	k := New(0)
	k.Timer(1, 0, 0)
	k.timers.slots[0].generation = math.MaxUint32
	_, ok := k.Next(Forever)
	require.True(t, ok)
	require.Equal(t, uint32(1), k.Timer(2, 0, 0).slot)
}

// Waiting for a moment before which nothing happens leaves the clock, so that an earlier event can still be scheduled.
func TestNextHasALimit(t *testing.T) {
	k := New(0)
	k.At(time.Second, 1, 0)
	_, ok := k.Next(time.Second - 1)
	require.False(t, ok)
	require.Zero(t, k.Now())
	k.At(time.Millisecond, 2, 0)
	e, ok := k.Next(time.Millisecond)
	require.True(t, ok)
	require.Equal(t, Event{At: time.Millisecond, Kind: 2}, e)
	_, ok = k.Next(-time.Hour)
	require.False(t, ok)
	e, ok = k.Next(time.Second)
	require.True(t, ok)
	require.Equal(t, Event{At: time.Second, Kind: 1}, e)
	k.At(Forever, 3, 0)
	e, ok = k.Next(Forever)
	require.True(t, ok)
	require.Equal(t, Forever, e.At)
}

func TestTheBudgetEndsARunaway(t *testing.T) {
	k := New(1000)
	k.At(0, 0, 0)
	n := 0
	for {
		e, ok := k.Next(Forever)
		if !ok {
			break
		}
		n++
		k.After(time.Microsecond, 0, e.Who)
	}
	require.Equal(t, 1000, n)
	require.ErrorIs(t, k.Err(), ErrBudget)
	require.ErrorContains(t, k.Err(), "1000 events")
	_, ok := k.Next(Forever)
	require.False(t, ok, "it stays ended")

	k = New(2)
	k.At(1, 0, 0)
	k.At(2, 0, 0)
	for range 3 {
		k.Next(Forever)
	}
	require.EqualValues(t, 2, k.Fired())
	require.NoError(t, k.Err(), "the budget was enough")
}

func TestTimeDoesNotRunBackwards(t *testing.T) {
	k := New(0)
	k.At(10, 0, 0)
	k.Next(Forever)
	require.Panics(t, func() { k.At(9, 0, 0) })
	require.Panics(t, func() { k.Timer(9, 0, 0) })
	require.Panics(t, func() { k.After(Forever, 0, 0) }, "it overflows")
	require.NotPanics(t, func() { k.At(10, 0, 0) })
}

// Requests with timeouts: every event schedules another and a timer, and cancels the timer of an earlier one.
func TestNothingIsAllocated(t *testing.T) {
	const pending = 1000
	k := New(0)
	k.Reserve(2 * pending)
	r := Stream(1, "delays")
	var timers [pending]Timer
	for i := range uint32(pending) {
		k.After(0, 0, i)
	}
	calls := 0
	run := func() {
		if calls++; calls == 1 {
			return // AllocsPerRun calls once more, to warm up; what is reserved needs no warming
		}
		for range 200_000 {
			e, _ := k.Next(Forever)
			if e.Kind == 1 { // a timeout
				continue
			}
			k.Cancel(timers[e.Who])
			timers[e.Who] = k.Timer(e.At+time.Duration(r.ExpFloat64()*1e6), 1, e.Who)
			k.After(time.Duration(r.ExpFloat64()*1e6), 0, e.Who)
		}
	}
	require.Zero(t, testing.AllocsPerRun(1, run))
	require.Greater(t, k.Fired(), uint64(100_000))
}

// Chunks are reserved for the worst places in which items can lie: all due now, where they are popped and pushed at the same time, all
// in one bucket that is spread, and swept.
func TestWhatIsReservedIsEnough(t *testing.T) {
	const n = 300
	k := New(0)
	k.queue.reserve(n)
	calls := 0
	require.Zero(t, testing.AllocsPerRun(1, func() {
		if calls++; calls == 1 {
			return
		}
		for i := range uint32(n) {
			k.At(0, 0, i)
		}
		for range 50 * n { // all at one moment, then all at the next
			e, _ := k.Next(Forever)
			k.After(time.Duration(k.Fired()/(10*n)%2), 0, e.Who)
		}
		for i := range time.Duration(50 * n) { // rounds that are far apart and spread
			e, _ := k.Next(Forever)
			k.At((i/n+2)<<40+i*i%1000, 0, e.Who)
			if i%100 == 0 {
				k.sweep()
			}
		}
	}))
	require.Equal(t, n, k.Pending())
}
