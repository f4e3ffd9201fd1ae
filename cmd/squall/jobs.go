package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/docker"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/mesh/proc"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/live"
	"github.com/squallmesh/squall/scenarios/record"
)

// runJobs runs scenarios, several at once if the flags say so. done gets each record as it ends, one at a time; the records
// come back in the order of the jobs.
func runJobs(
	ctx context.Context, env *environment, f runFlags, b envoy.Binary, jobs []job, done func(job, *record.Run) error,
) ([]*record.Run, error) {
	if f.form == platform.Kind {
		var err error
		if f.kind, err = openKind(ctx, env, f.name, f.nodeImage, f.injected, b); err != nil {
			return nil, err
		}
	}
	f.starting = make(turn, 1)
	all := newRuns(env, jobs, done)
	var g errgroup.Group
	g.SetLimit(max(1, f.parallel))
	for i := range jobs {
		g.Go(func() error { return all.run(ctx, i, func(j job) *record.Run { return runJob(ctx, env, f, b, j) }) })
	}
	return all.list, g.Wait()
}

// runs are those of several jobs, some of them at the same time.
type runs struct {
	env  *environment
	jobs []job
	done func(job, *record.Run) error
	mu   sync.Mutex
	// list is in the order of the jobs.
	list []*record.Run
}

func newRuns(env *environment, jobs []job, done func(job, *record.Run) error) *runs {
	return &runs{env: env, jobs: jobs, done: done, list: make([]*record.Run, len(jobs))}
}

// run does one of the jobs, and tells of it.
func (r *runs) run(ctx context.Context, i int, do func(job) *record.Run) error {
	j := r.jobs[i]
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.env.status.begin(j.file)
	run := do(j)
	r.env.status.end(j.file)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list[i] = run
	if err := r.done(j, run); err != nil {
		return broken(err)
	}
	return nil
}

// stage is where one run after the other takes place.
type stage struct {
	platform platform.Platform
	dir      string
	close    func() error
}

// openStage makes the place for a single run.
func openStage(env *environment, f runFlags, b envoy.Binary) (stage, error) {
	owner, dir, err := newOwner(env)
	if err != nil {
		return stage{}, err
	}
	return stage{platform: turns{platformOf(f, labOptions(env, f, b, owner, dir)), f.starting}, dir: dir, close: owner.Close}, nil
}

func labOptions(env *environment, f runFlags, b envoy.Binary, owner *proc.Owner, dir string) local.Options {
	return local.Options{Squall: env.self, Envoy: b, Owner: owner, Dir: dir, Env: appEnvironment(env), Form: f.form}
}

// runJob runs one scenario, in a mesh of its own, and judges it.
func runJob(ctx context.Context, env *environment, f runFlags, b envoy.Binary, j job) *record.Run {
	if f.sim {
		return runVirtual(ctx, env, f, j)
	}
	s, err := openStage(env, f, b)
	if err != nil {
		return judged(&record.Run{Scenario: j.file.Scenario, File: j.file.Name}, j, err)
	}
	run := runOn(ctx, env, f, b, j, s)
	if err := s.close(); err != nil {
		return judged(run, j, err)
	}
	return run
}

// judged is a run with its verdict; an error is one of the lab.
func judged(run *record.Run, j job, err error) *record.Run {
	if err != nil && run.Broken == "" {
		run.Broken = err.Error()
	}
	assert.Judge(run, j.file.Where)
	return run
}

// runOn runs one scenario on a stage and judges it.
func runOn(ctx context.Context, env *environment, f runFlags, b envoy.Binary, j job, s stage) *record.Run {
	limit := f.timeout
	if limit == 0 {
		limit = j.file.End() + 3*time.Minute
	}
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the scenario took longer than %s", limit))
	defer cancel()
	_, _ = fmt.Fprintf(env.stderr, "%s: %s\n", j.file.Metadata.Name, j.file.Spec.Title)
	run, err := func() (run *record.Run, err error) {
		options := live.Options{
			Platform: s.platform, Envoy: b, Dir: s.dir, App: j.app, AppDir: j.appDir,
			Seed: f.seed, Version: version, Progress: env.stderr, Decided: j.decided, Attach: f.host,
		}
		if j.bundle != "" {
			file, err := createRecord(j)
			if err != nil {
				return &record.Run{Scenario: j.file.Scenario, File: j.file.Name}, err
			}
			defer func() { err = errors.Join(err, file.Close()) }()
			options.Record = file
		}
		if f.keep {
			options.Keep = func(wanted context.Context, run *record.Run, gateway string) { keep(wanted, env, j, run, gateway) }
			return live.Run(ctx, options, j.file)
		}
		return live.Run(limited, options, j.file)
	}()
	return judged(run, j, err)
}

// platformOf is where a run has its lab.
func platformOf(f runFlags, o local.Options) platform.Platform {
	switch {
	case f.kind != nil:
		return f.kind
	case f.form == platform.Docker:
		return docker.Platform{Options: docker.Options{Programs: imagePrograms(o.Squall, o.Envoy)}}
	}
	return local.Platform{Options: o}
}
