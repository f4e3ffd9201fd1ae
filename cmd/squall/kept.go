package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/scenarios/live"
	"github.com/squallmesh/squall/scenarios/record"
)

// runKept is runJobs for jobs that are variations of few scenarios: those of one scenario run one after the other in the same mesh, which is
// set back between them; several scenarios at once if the flags say so.
func runKept(
	ctx context.Context, env *environment, f runFlags, b envoy.Binary, jobs []job, done func(job, *record.Run) error,
) ([]*record.Run, error) {
	if f.sim || f.form != platform.Loopback && f.form != platform.Pods {
		return runJobs(ctx, env, f, b, jobs, done)
	}
	f.starting = make(turn, 1)
	all := newRuns(env, jobs, done)
	var g errgroup.Group
	g.SetLimit(max(1, f.parallel))
	for _, group := range byScenario(jobs) {
		g.Go(func() error { return runGroup(ctx, env, f, b, all, group) })
	}
	return all.list, g.Wait()
}

// byScenario gives the numbers of the jobs of each scenario, those first that take longest: what is left at the end is short.
func byScenario(jobs []job) [][]int {
	groups := map[string][]int{}
	lasts := map[string]time.Duration{}
	var names []string
	for i, j := range jobs {
		name := j.file.Metadata.Name
		if groups[name] == nil {
			names = append(names, name)
		}
		groups[name] = append(groups[name], i)
		lasts[name] += j.file.End()
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(lasts[b], lasts[a]) })
	out := make([][]int, len(names))
	for i, name := range names {
		out[i] = groups[name]
	}
	return out
}

// runGroup runs the jobs of one scenario in one mesh.
func runGroup(ctx context.Context, env *environment, f runFlags, b envoy.Binary, all *runs, group []int) (err error) {
	owner, dir, err := newOwner(env)
	if err != nil {
		return err
	}
	mesh := &local.Kept{Options: labOptions(env, f, b, owner, dir), Restore: live.CalmBackends, Turn: f.starting.take}
	defer func() { err = errors.Join(err, mesh.Close(), owner.Close()) }()
	for n, i := range group {
		s := stage{platform: mesh, dir: filepath.Join(dir, fmt.Sprintf("run%d", n))}
		if err := os.Mkdir(s.dir, 0o700); err != nil {
			return broken(fmt.Errorf("folder of a run: %w", err))
		}
		if err := all.run(ctx, i, func(j job) *record.Run { return runOn(ctx, env, f, b, j, s) }); err != nil {
			return err
		}
	}
	return nil
}
