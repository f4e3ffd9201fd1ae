package assert

import (
	"fmt"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// apart is how far apart two items of the timeline are at least if the time between them matters. Those that are closer are meant to
// happen one after the other, and no more.
const apart = 300 * time.Millisecond

// overtaken says that the timeline fell behind what the scenario describes, or "": a load began before an item that it should have followed,
// or an item took so long that the next one was due. Then neither what was met nor what came of it later is what the scenario describes. Only
// what is judged after the item's time suffers.
func overtaken(r *record.Run, p record.Phase) string {
	items := r.Scenario.Spec.Timeline
	for i, e := range r.Events {
		if i >= len(items) || items[i].When != nil {
			continue
		}
		due := items[i].At.D()
		if p.To > due {
			for _, l := range r.Scenario.Spec.Load {
				if at := l.At.D(); at > due && at < e.At {
					return fmt.Sprintf("load %s began at %s, when %q, due %s earlier, had not taken effect: it came %s late; leave more time between them, or use a faster machine",
						l.Name, at, e.What, at-due, (e.At - due).Round(time.Millisecond))
				}
			}
		}
		if next, ok := nextItem(r, due); ok && p.To > next && next-due >= apart && e.Took > next-due {
			return fmt.Sprintf("%q took %s to be effective, and what follows it was due after %s; leave more time between them, or use a faster machine or platform",
				e.What, e.Took.Round(time.Millisecond), next-due)
		}
	}
	return ""
}

// nextItem gives the time of the first item that is due after a time. Those that wait for a condition are due at no time.
func nextItem(r *record.Run, after time.Duration) (next time.Duration, ok bool) {
	for _, item := range r.Scenario.Spec.Timeline {
		if at := item.At.D(); item.When == nil && at > after && (!ok || at < next) {
			next, ok = at, true
		}
	}
	return next, ok
}
