package main

import (
	"fmt"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/scenarios/live"
)

// exclusion is a scenario that was not run, because the platform lacks what it needs.
type exclusion struct {
	Name string `json:"name"`
	// At is the line that needs it, as file:line:col.
	At     string `json:"at"`
	Reason string `json:"reason"`
}

// possible leaves out the scenarios of folders that a platform refuses: they do not count. One that was named by itself is an error,
// and so is a folder of which nothing is left.
func possible(env *environment, refused func(job) diag.List, jobs []job) (left []job, out []exclusion, err error) {
	var problems diag.List
	for _, j := range jobs {
		problem := refused(j)
		switch {
		case len(problem) == 0:
			left = append(left, j)
		case j.among:
			first := problem[0]
			out = append(out, exclusion{Name: j.file.Metadata.Name, At: first.Pos.String(), Reason: first.Message})
			_, _ = fmt.Fprintf(env.stderr, "%s is left out: %s\n", j.file.Metadata.Name, first)
		default:
			problems.Add(problem...)
		}
	}
	if len(left) == 0 && len(out) > 0 {
		problems.Errorf("NOTHING-LEFT", diag.Pos{}, "this platform refuses every scenario that was named")
	}
	return left, out, problems.Err()
}

// refusedLive says what a lab cannot have: one of a form, or one in which others run the apps.
func refusedLive(form platform.Form, injected bool, j job) diag.List {
	info := form.Info()
	info.Foreign = injected
	return live.Refused(j.file, j.app, info)
}
