package assert

import (
	"fmt"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// TooMuchStrain is how long a thread of the lab may be kept from running, about a tenth of a second at a time: from then on, what fails may
// be the machine's doing. Requests then pile up where the scenario has one at a time. On two idle cores the catalogue stays below 85 ms.
const TooMuchStrain = 100 * time.Millisecond

// strained says that a process had no processor for long in a phase of a scenario that counts exactly (profile: exact), or "". Others have
// tolerances, or fail by far. A pass stands: what was to be seen was seen.
func strained(r *record.Run, p record.Phase) string {
	if r.Scenario.Profile() != "exact" {
		return ""
	}
	var worst record.Strain
	for _, s := range r.Strains {
		if s.From < p.To && s.To > p.From && s.Waited > worst.Waited {
			worst = s
		}
	}
	if worst.Waited < TooMuchStrain {
		return ""
	}
	return fmt.Sprintf("the machine was too busy to tell: at %s %s was ready to run and had no processor for %s of %s; use a calmer machine, or run fewer meshes side by side",
		worst.From.Round(time.Millisecond), worst.Who, worst.Waited.Round(time.Millisecond), (worst.To - worst.From).Round(time.Millisecond))
}
