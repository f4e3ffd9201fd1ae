package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/squallmesh/squall/scenarios/record"
)

// advice says what to do about a run, most important first. A pass without warnings needs none.
func (r Result) advice() []string {
	var out []string
	if r.Verdict == record.Error {
		out = append(out, "The lab broke, so nothing is proven about the mesh. `squall doctor` says whether this machine has what a lab needs.")
	}
	if r.Aborted != "" {
		out = append(out, "The guard rail in abortIf stopped the run: what follows it was not seen. Look at the load's success at that moment.")
	}
	for _, c := range r.Checks {
		if c.Verdict == record.Fail {
			out = append(out, "Fix what the check at "+where(c)+" found, or the check: "+c.Reason+".")
		}
	}
	for _, g := range r.Gaps {
		out = append(out, "Close the gap in what was observed: "+strings.TrimSuffix(g, ".")+".")
	}
	for _, e := range r.Events {
		if e.Missing != "" {
			out = append(out, fmt.Sprintf("Nothing shows that %q happened: %s. Does traffic pass there while it lasts?", e.What, strings.TrimSuffix(e.Missing, ".")))
		}
	}
	for _, l := range r.Loads {
		if l.Behind {
			out = append(out, fmt.Sprintf("Load %s was not offered as stated: lower its rate, or give the machine more room. %s.", l.Name, strings.TrimSuffix(l.Reason, ".")))
		}
	}
	for _, c := range r.Checks {
		if c.Verdict == record.Inconclusive && c.Samples == 0 && !r.unproven() {
			out = append(out, "The check at "+where(c)+" saw nothing to judge: make sure that its phase has such traffic.")
		}
	}
	for _, w := range r.Warnings {
		if w.Hint != "" {
			out = append(out, w.String()+": "+w.Hint+".")
		}
	}
	if r.Verdict != record.Pass && r.File != "" {
		out = append(out, fmt.Sprintf("Repeat it: `squall run --seed %d %s`.", r.Seed, r.File))
	}
	return unique(out)
}

// unproven reports whether the run as a whole cannot be judged, which then is the advice for every check.
func (r Result) unproven() bool {
	return len(r.Gaps) > 0 || r.Broken != "" ||
		slices.ContainsFunc(r.Events, func(e Event) bool { return e.Missing != "" }) ||
		slices.ContainsFunc(r.Loads, func(l Load) bool { return l.Behind })
}

// where a check is, or its name if that is not known.
func where(c Check) string {
	if p := c.Pos.String(); p != "" {
		return p
	}
	return c.Name
}

func unique(all []string) []string {
	var out []string
	for _, s := range all {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
