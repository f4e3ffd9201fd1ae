package assert

import (
	"fmt"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// recovery judges whether a load is well again soon enough after the last fault ended: the share of successes from then
// plus the time allowed, to the end.
func recovery(r *record.Run, _ int, c spec.Check, _ record.Phase) outcome {
	k := c.Recovery
	var over time.Duration
	found := false
	for _, e := range r.Events {
		if e.Until > 0 {
			over, found = max(over, e.Until), true
		}
	}
	if !found {
		return inconclusive("no fault came to an end, so there is nothing to recover from")
	}
	all, _ := r.Phase("all")
	results := r.Within(record.Phase{From: over + k.Within.D(), To: all.To}, k.Load)
	if len(results) == 0 {
		return inconclusive("load %s sent nothing later than %s after the last fault", k.Load, k.Within)
	}
	n := len(results)
	o := compare(fmt.Sprintf("success from %s after the last fault on", k.Within), k.Success, part(k.Success, successes(results), n), n)
	return o
}
