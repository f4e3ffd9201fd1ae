package assert

import (
	"fmt"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// overtaken says that a load began before an item of the timeline that it should have followed, or "": then neither what the load met nor
// what came of it later is what the scenario describes. Only what is judged after the item's time suffers.
func overtaken(r *record.Run, p record.Phase) string {
	items := r.Scenario.Spec.Timeline
	for i, e := range r.Events {
		if i >= len(items) || items[i].When != nil || p.To <= items[i].At.D() {
			continue
		}
		for _, l := range r.Scenario.Spec.Load {
			if at := l.At.D(); at > items[i].At.D() && at < e.At {
				return fmt.Sprintf("load %s began at %s, when %q, due %s earlier, had not taken effect: it came %s late; leave more time between them, or use a faster machine",
					l.Name, at, e.What, at-items[i].At.D(), (e.At - items[i].At.D()).Round(time.Millisecond))
			}
		}
	}
	return ""
}
