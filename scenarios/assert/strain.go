package assert

import (
	"fmt"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// TooMuchStrain is how long a thread of the lab may be kept from running, about a tenth of a second at a time: from then on, what fails may
// be the machine's doing. Requests then pile up where the scenario has one at a time. On two idle cores the catalogue stays below 85 ms.
const TooMuchStrain = 100 * time.Millisecond

// strained says that a process had no processor for long while requests of a phase were on their way, in a scenario that counts exactly
// (profile: exact), or "". Others have tolerances, or fail by far. A pass stands: what was to be seen was seen.
func strained(r *record.Run, p record.Phase) string {
	if r.Scenario.Profile() != "exact" {
		return ""
	}
	var worst record.Strain
	to := lastAnswer(r, p)
	for _, s := range r.Strains {
		if s.From < to && s.To > p.From && s.Waited > worst.Waited {
			worst = s
		}
	}
	if worst.Waited < TooMuchStrain {
		return ""
	}
	return fmt.Sprintf("the machine was too busy to tell: at %s %s was ready to run and had no processor for %s of %s; use a calmer machine, or run fewer meshes side by side",
		worst.From.Round(time.Millisecond), worst.Who, worst.Waited.Round(time.Millisecond), (worst.To - worst.From).Round(time.Millisecond))
}

// lastAnswer is when a phase and all requests of it were over: one that is tried again may end long after its phase.
func lastAnswer(r *record.Run, p record.Phase) time.Duration {
	to := p.To
	for _, res := range r.Within(p, "") {
		to = max(to, res.End.Sub(r.Start))
	}
	return to
}
