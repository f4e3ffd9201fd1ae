package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/scenarios/compare"
	"github.com/squallmesh/squall/scenarios/record"
)

// earlier reads the bundles of a run before this one, by the scenario's name. One that is not there is nil.
func earlier(dir string, jobs []job) (map[string]*record.Run, error) {
	if dir == "" {
		return nil, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("--baseline: %w", err)
	}
	out := map[string]*record.Run{}
	for _, j := range jobs {
		name := j.file.Metadata.Name
		if _, done := out[name]; done {
			continue
		}
		run, err := judgeAgain(filepath.Join(dir, name))
		switch {
		case os.IsNotExist(err):
			out[name] = nil
		case err != nil:
			return nil, fmt.Errorf("--baseline: %s: %w", filepath.Join(dir, name), err)
		default:
			out[name] = run
		}
	}
	return out, nil
}

// regressed says of each run whether something got worse than before, and how many did.
func regressed(env *environment, what string, before map[string]*record.Run, runs []*record.Run) int {
	worse := 0
	for _, r := range runs {
		name := r.Scenario.Metadata.Name
		old, asked := before[name]
		switch {
		case !asked:
		case old == nil:
			_, _ = fmt.Fprintf(env.stdout, "%s: %s: nothing to compare with\n", what, name)
		default:
			c := compare.Runs(old, r)
			if text := c.Regression(); text != "" {
				worse++
				_, _ = fmt.Fprintf(env.stdout, "%s: %s: worse: %s\n", what, name, text)
				continue
			}
			_, _ = fmt.Fprintf(env.stdout, "%s: %s: nothing got worse\n", what, name)
		}
	}
	return worse
}

// withOtherEnvoy runs the jobs again with another Envoy, into a folder of its own, and compares: did anything get worse?
func withOtherEnvoy(ctx context.Context, env *environment, f runFlags, other envoy.Binary, jobs []job, runs []*record.Run) (worse int, err error) {
	jobs = slices.Clone(jobs)
	for i := range jobs {
		if jobs[i].bundle != "" {
			jobs[i].bundle = filepath.Join(f.out, "compare-envoy", filepath.Base(jobs[i].bundle))
		}
	}
	again, err := runJobs(ctx, env, f, other, jobs, env.report)
	if err != nil {
		return 0, err
	}
	for i, r := range again {
		name := r.Scenario.Metadata.Name
		worse += regressed(env, fmt.Sprintf("Envoy %s to %s", runs[i].Envoy, r.Envoy), map[string]*record.Run{name: runs[i]}, []*record.Run{r})
	}
	return worse, nil
}
