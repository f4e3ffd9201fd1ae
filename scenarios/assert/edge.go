package assert

import (
	"fmt"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
)

// atEdges counts the calls of requests that may have met what begins or ends a phase though they do not count as the phase's, or the other
// way round: before were due before the phase and were not over when what begins it was due, after were the phase's and ended after it.
func atEdges(r *record.Run, p record.Phase, matches func(telemetry.Hop) bool) (before, after int) {
	due := p.From
	for _, item := range r.Scenario.Spec.Timeline {
		if item.Name == p.Name && item.When == nil {
			due = min(due, item.At.D())
		}
	}
	early, late := map[string]bool{}, map[string]bool{}
	for _, res := range r.Results {
		at, end := res.Scheduled.Sub(r.Start), res.End.Sub(r.Start)
		early[res.TraceID] = at < p.From && end >= due
		late[res.TraceID] = at >= p.From && at < p.To && end > p.To
	}
	for _, h := range r.Hops {
		switch {
		case early[h.TraceID] && matches(h):
			before++
		case late[h.TraceID] && matches(h):
			after++
		}
	}
	return before, after
}

// onTheEdge makes a count that failed inconclusive if it would hold with other calls at the phase's edges.
func onTheEdge(failed outcome, p record.Phase, before, after int, holds func(more int) bool) outcome {
	for more := -after; more <= before; more++ {
		if more != 0 && holds(more) {
			failed.verdict = record.Inconclusive
			failed.reason = fmt.Sprintf("%s, but of such calls %d were under way as the phase began and %d as it ended: start no request within some 20ms of what begins or ends %s, or count in another phase",
				failed.reason, before, after, p.Name)
			return failed
		}
	}
	return failed
}
