package main

import (
	"context"
	"fmt"
	"io"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/scenarios/record"
)

// maxAgain is how often a mutant of which a run told nothing is run again.
const maxAgain = 2

// again runs those mutants once more, one at a time, which must fail and of which nothing is known: the machine was too busy, or the load that
// it could offer beside another mesh too small to tell. A run that told nothing is no measurement; one that did stands.
func again(ctx context.Context, env *environment, said io.Writer, f runFlags, b envoy.Binary, g generation, runs []*record.Run) error {
	f.parallel = 1
	for range maxAgain {
		var jobs []job
		var at []int
		for i, r := range runs {
			if r.Verdict == record.Inconclusive && g.mutants[i].Expect == record.Fail {
				jobs, at = append(jobs, g.jobs[i]), append(at, i)
			}
		}
		if len(jobs) == 0 {
			return nil
		}
		_, _ = fmt.Fprintf(said, "again, one at a time: %d of which a run told nothing\n", len(jobs))
		more, err := runJobs(ctx, env, f, b, jobs, func(job, *record.Run) error { return nil })
		if err != nil {
			return err
		}
		for i, r := range more {
			runs[at[i]] = r
		}
	}
	return nil
}
