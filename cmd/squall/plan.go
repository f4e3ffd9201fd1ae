package main

import (
	"fmt"
	"io"
)

// printPlans lists, for each check with error rates, the sample that it needs and the most that its loads give.
func printPlans(w io.Writer, jobs []job) error {
	for _, j := range jobs {
		for _, p := range j.file.Plans() {
			what := p.Kind
			if name := j.file.Spec.Checks[p.Check].Name; name != "" {
				what += " (" + name + ")"
			}
			if _, err := fmt.Fprintf(w, "%s: %s needs %d %s and gets %d at most: false pass %g, false fail %g, false inconclusive %g\n",
				j.file.Where(p.At), what, p.Needed, p.Of, p.Offered, p.Errors.FalsePass, p.Errors.FalseFail, p.Errors.FalseInconclusive); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "%d scenarios are valid\n", len(jobs))
	return err
}
