package live

import (
	"context"
	"sync"
	"time"

	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/spec"
)

// ends lets items that end at the same time do so together: the phases of all of them are over, and their counters read, before anything
// is undone. Else what one of them lets go would count in the phase of another.
type ends struct {
	mu   sync.Mutex
	left map[time.Duration]int
	over map[time.Duration]chan struct{}
}

// newEnds counts the ends of a scenario's items that are sure to happen, and when.
func newEnds(f *spec.File) *ends {
	e := &ends{left: map[time.Duration]int{}, over: map[time.Duration]chan struct{}{}}
	for _, item := range f.Spec.Timeline {
		if until := plan.Until(f, item, item.At.D()); until > 0 && sure(item) {
			e.left[until]++
			e.over[until] = make(chan struct{})
		}
	}
	return e
}

// sure tells of an item that it happens, at its time.
func sure(item spec.Item) bool { return item.When == nil && len(item.Unless) == 0 }

// arrive says that an item's phase is over, and waits for those of the others that end then.
func (e *ends) arrive(ctx context.Context, item spec.Item, until time.Duration) error {
	if !sure(item) {
		return nil
	}
	e.mu.Lock()
	over := e.over[until]
	if e.left[until]--; e.left[until] == 0 {
		close(over)
	}
	e.mu.Unlock()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
