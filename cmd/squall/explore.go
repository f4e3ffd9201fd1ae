package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/explore"
	"github.com/squallmesh/squall/scenarios/live"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/virtual"
)

// exploreFlags are the flags of explore.
type exploreFlags struct {
	explore.Options
	kinds              []string
	duration           time.Duration
	out, platform, env string
	confirm            bool
}

func newExploreCommand(env *environment) *cobra.Command {
	var f exploreFlags
	var names []string
	for _, k := range explore.Kinds() {
		names = append(names, string(k))
	}
	c := &cobra.Command{
		Use:   "explore FILE",
		Short: "Search in virtual time for the faults that break a scenario",
		Long: `Search in virtual time for the cheapest combinations of faults that make a scenario's checks fail.

The scenario must pass by itself. Every fault is tried alone first, as strong as may be, then combinations at random, then
variations of those that showed calls, flags and traces not seen before. Faults of services that no request of the scenario
needs are not tried. What fails is shrunk: fewer faults, shorter, smaller, rarer. Each finding is written as a scenario of
its own, with comments on what was seen; --confirm runs them on the live mesh.

The same seed gives the same findings on any number of processors, unless --for ends the search.

Exit codes: 0 nothing was found, 1 something was, 3 invalid input or a scenario that does not pass by itself,
5 --confirm did not show on the live mesh what was found.`,
		Example: "  squall explore --out out/explore --kinds delay my-scenario.yaml\n  squall explore --confirm --findings 1 my-scenario.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(names); err != nil {
				return invalid(err)
			}
			if !f.confirm {
				return runExplore(c.Context(), env, f, args[0])
			}
			return onPlatform(c.Context(), env, f.platform, nil, func(form platform.Form) error {
				return runExplore(c.Context(), env, f, args[0], form)
			})
		},
	}
	c.Flags().Uint64Var(&f.Seed, "seed", 1, "seed of the search and of its runs")
	c.Flags().IntVar(&f.Runs, "runs", 500, "most simulated runs, shrinking included")
	c.Flags().DurationVar(&f.duration, "for", 0, "end the search after so long; 0 does not")
	c.Flags().IntVar(&f.Findings, "findings", 3, "different combinations to look for")
	c.Flags().IntVar(&f.Faults, "faults", 2, "most faults of one combination")
	c.Flags().StringSliceVar(&f.kinds, "kinds", names, "kinds of faults to try")
	c.Flags().DurationVar(&f.From, "from", 0, "faults begin no sooner than this, from t = 0")
	c.Flags().DurationVar(&f.To, "to", 0, "faults are over by then; 0 is the end of the load")
	c.Flags().DurationVar(&f.Longest, "longest", 7*time.Second, "longest delay of a call")
	c.Flags().StringVar(&f.out, "out", "", "folder for the scenarios that were found; without it they are printed")
	c.Flags().BoolVar(&f.confirm, "confirm", false, "run what was found on the live mesh; needs --out")
	c.Flags().StringVar(&f.env, "envoy", "", "path of the Envoy to run with --confirm")
	platformFlag(c, &f.platform)
	return c
}

// check finds flags that make no sense, all at once.
func (f *exploreFlags) check(names []string) error {
	var problems []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	bad(f.Runs < 1, "--runs %d: at least one", f.Runs)
	bad(f.Findings < 1, "--findings %d: at least one", f.Findings)
	bad(f.Faults < 1 || f.Faults > 3, "--faults %d: one to three", f.Faults)
	bad(f.Longest < 100*time.Millisecond, "--longest %s: at least 100ms", f.Longest)
	bad(f.confirm && f.out == "", "--confirm needs --out, a folder for the scenarios that it runs")
	for _, k := range f.kinds {
		bad(!slices.Contains(names, k), "--kinds %s: there are %s", k, strings.Join(names, ", "))
		f.Kinds = append(f.Kinds, explore.Kind(k))
	}
	return errors.Join(problems...)
}

func runExplore(ctx context.Context, env *environment, f exploreFlags, path string, form ...platform.Form) error {
	jobs, err := loadScenarios(env, []string{path})
	if err != nil {
		return invalid(err)
	}
	if len(jobs) == 0 {
		return invalid(fmt.Errorf("%s: no scenario", path))
	}
	j := jobs[0] // of a matrix the first
	if path == "-" {
		return invalid(errors.New("explore needs a file: what it writes names the same rules"))
	}
	refused := virtual.Refused(j.file, j.app)
	if err := refused.Err(); err != nil {
		return invalid(err)
	}
	if f.To == 0 {
		f.To = j.file.End()
	}
	if f.From < 0 || f.To > j.file.End() || f.To-f.From < time.Second {
		return invalid(fmt.Errorf("faults from %s to %s: it takes at least a second, within the load (0s to %s)", f.From, f.To, j.file.End()))
	}
	debug.SetGCPercent(simGC)
	f.Run = func(ctx context.Context, faults []explore.Fault) (*record.Run, error) {
		return withFaults(ctx, env, j, f.Seed, faults)
	}
	f.Parallel = runtime.GOMAXPROCS(0)
	f.Progress = func(format string, args ...any) { _, _ = fmt.Fprintf(env.stderr, format+"\n", args...) }
	limited := ctx
	if f.duration > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	report, err := explore.Search(limited, f.Options)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, explore.ErrBase):
		return invalid(fmt.Errorf("%s: %w", path, err))
	case err != nil:
		return broken(err)
	}
	files, err := writeFindings(env, f, j, report)
	if err != nil {
		return broken(err)
	}
	if len(report.Findings) == 0 {
		return nil
	}
	if f.confirm {
		return confirm(ctx, env, f, files, form[0])
	}
	return &exitError{code: exitFail}
}

// withFaults runs a scenario in virtual time with more faults, and judges it.
func withFaults(ctx context.Context, env *environment, j job, seed uint64, faults []explore.Fault) (*record.Run, error) {
	file := *j.file
	file.Spec.Timeline = slices.Clone(file.Spec.Timeline)
	for _, f := range faults {
		file.Spec.Timeline = append(file.Spec.Timeline, f.Item())
	}
	dir, err := os.MkdirTemp(env.tempDir, "squall-explore-")
	if err != nil {
		return nil, err
	}
	run, err := virtual.Run(ctx, virtual.Options{App: j.app, Seed: seed, Version: version, Dir: dir, Today: time.Now()}, &file)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return nil, err
	}
	assert.Judge(run, file.Where)
	return run, nil
}

// writeFindings says what was found and writes its scenarios.
func writeFindings(env *environment, f exploreFlags, j job, r *explore.Report) (files []string, err error) {
	_, _ = fmt.Fprintf(env.stdout, "%d runs: up to %d faults of %d, %d behaviours; workloads that no request needs, and so were left alone: %d\n",
		r.Runs, f.Faults, r.Places, r.Seen, r.Pruned)
	if len(r.Findings) == 0 {
		_, _ = fmt.Fprintf(env.stdout, "nothing was found that breaks %s\n", j.file.Metadata.Name)
	}
	for i, found := range r.Findings {
		name := fmt.Sprintf("%s-found-%d", j.file.Metadata.Name, i+1)
		_, _ = fmt.Fprintf(env.stdout, "\n%s\n", name)
		for _, fault := range found.Faults {
			_, _ = fmt.Fprintf(env.stdout, "  %s\n", fault)
		}
		for _, least := range found.Least {
			_, _ = fmt.Fprintf(env.stdout, "  the least that fails: %s\n", least)
		}
		for _, c := range found.Failed {
			_, _ = fmt.Fprintf(env.stdout, "  ✗ %s: %s\n", c.Name, c.Reason)
		}
		for _, e := range found.Evidence {
			_, _ = fmt.Fprintf(env.stdout, "    %s\n", e)
		}
		to := f.out
		if to == "" {
			to = "."
		}
		text, err := explore.Write(j.sources[0].Data, name, found, explore.Relocation(filepath.Dir(j.file.Name), filepath.Join(to, name)))
		if err != nil {
			return nil, err
		}
		if f.out == "" {
			_, _ = fmt.Fprintf(env.stdout, "\n%s", text)
			continue
		}
		file := filepath.Join(f.out, name, "scenario.yaml")
		if err := writeFile(file, text); err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(env.stdout, "  written to %s\n", file)
		files = append(files, file)
	}
	return files, nil
}

// confirm runs what was found on the live mesh: it must fail there too.
func confirm(ctx context.Context, env *environment, f exploreFlags, files []string, form platform.Form) error {
	jobs, err := loadScenarios(env, files)
	if err != nil {
		return broken(err)
	}
	jobs = slices.DeleteFunc(jobs, func(j job) bool {
		return slices.ContainsFunc(jobs, func(other job) bool {
			return other.file.Name == j.file.Name && len(other.file.Metadata.Name) < len(j.file.Metadata.Name)
		})
	})
	for _, j := range jobs {
		refused := live.Refused(j.file, j.app, form.Info())
		if err := refused.Err(); err != nil {
			return invalid(err)
		}
	}
	b, err := findEnvoy(ctx, env, f.env)
	if err != nil {
		return err
	}
	nameBundles(f.out, jobs)
	for i := range jobs {
		jobs[i].bundle = filepath.Join(jobs[i].bundle, "live")
	}
	var report bytes.Buffer
	runs, err := runJobs(ctx, env, runFlags{form: form, seed: f.Seed, parallel: 1}, b, jobs, func(j job, run *record.Run) error {
		return writeBundle(j.bundle, run)
	})
	if err != nil {
		return err
	}
	missed := 0
	for i, run := range runs {
		word := "confirmed live"
		if run.Verdict != record.Fail {
			word = "not confirmed: the live run is " + string(run.Verdict)
			missed++
		}
		_, _ = fmt.Fprintf(&report, "%s: %s (%s)\n", jobs[i].file.Metadata.Name, word, run.Reason)
	}
	_, _ = env.stdout.Write(report.Bytes())
	if missed > 0 {
		return &exitError{code: exitInconclusive}
	}
	return &exitError{code: exitFail}
}
