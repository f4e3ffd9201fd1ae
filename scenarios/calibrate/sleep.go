package calibrate

import (
	"slices"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// settle is how long after its begin, or end, a script may still not be in force everywhere.
const settle = 50 * time.Millisecond

// sleeps tells whether an item of the timeline is a script by which backends answer as usual, after a constant time.
func sleeps(r *record.Run, item int) bool {
	if item >= len(r.Scenario.Spec.Timeline) {
		return false
	}
	s := r.Scenario.Spec.Timeline[item].Script
	if s == nil || len(s.Outcomes) != 1 || s.Workers > 0 || s.Port != "" || s.PathPrefix != "" || len(s.Headers) > 0 {
		return false
	}
	o := s.Outcomes[0]
	return (o.End == "" || o.End == "answer") && (o.Status == 0 || o.Status == 200) && o.Body == "" && o.GRPCStatus == 0
}

// crosses tells whether something between two times may have met the moment at which a script changed.
func crosses(from, to, at time.Duration) bool { return from < at+settle && to > at }

// sleep is how long a workload sleeps for a request that it gets at a time: what the last script says that is in force for it.
func sleep(r *record.Run, w record.Workload, at time.Duration) time.Duration {
	for i, e := range slices.Backward(r.Events) {
		if !sleeps(r, i) || at < e.At || e.Until > 0 && at >= e.Until {
			continue
		}
		if s := r.Scenario.Spec.Timeline[i].Script; s.Workload == "" || s.Workload == w.Owner || s.Workload == w.Name {
			return s.Outcomes[0].Delay.D()
		}
	}
	return 0
}
