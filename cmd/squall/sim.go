package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/virtual"
)

// simGC is how many per cent the heap may grow between collections while runs are simulated: their records are small and short-lived, and
// all of a processor's time is theirs.
const simGC = 400

// simFlag adds --sim.
func simFlag(c *cobra.Command, sim *bool) {
	c.Flags().BoolVar(sim, "sim", false, "simulate the mesh in virtual time: no Envoy, no processes; what is not simulated is refused")
}

// checkSim finds flags that mean nothing without processes.
func (f *runFlags) checkSim(c *cobra.Command) error {
	if !f.sim {
		if f.topology != "" {
			return invalid(errors.New("--topology is of a simulation: say --sim too"))
		}
		return nil
	}
	if f.topology != "" {
		measured, err := readTopology(f.topology)
		if err != nil {
			return invalid(err)
		}
		f.measured = measured
	}
	var problems []error
	for _, name := range []string{"platform", "envoy", "compare-envoy", "attach", "name", "keep", "node-image"} {
		if flag := c.Flags().Lookup(name); flag != nil && flag.Changed {
			problems = append(problems, fmt.Errorf("--%s is about processes, and --sim has none: leave one of them out", name))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return invalid(err)
	}
	return nil
}

// refused says what of a scenario cannot be had where it is to run.
func (f *runFlags) refused(j job) diag.List {
	if f.sim {
		return virtual.Refused(j.file, j.app)
	}
	return refusedLive(f.form, f.injected, j)
}

// runVirtual runs one scenario in virtual time and judges it.
func runVirtual(ctx context.Context, env *environment, f runFlags, j job) *record.Run {
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("the scenario took longer than %s", f.timeout))
		defer cancel()
	}
	_, _ = fmt.Fprintf(env.stderr, "%s: %s\n", j.file.Metadata.Name, j.file.Spec.Title)
	run, err := func() (run *record.Run, err error) {
		run = &record.Run{Scenario: j.file.Scenario, File: j.file.Name, Start: time.Time{}}
		dir, err := os.MkdirTemp(env.tempDir, "squall-sim-")
		if err != nil {
			return run, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		o := virtual.Options{App: j.app, Seed: f.seed, Version: version, Dir: dir, Progress: env.stderr, Today: time.Now()}
		if f.measured != nil {
			o.Times, o.Work = &f.measured.Times, f.measured.Work
		}
		if j.bundle != "" {
			file, err := createRecord(j)
			if err != nil {
				return run, err
			}
			defer func() { err = errors.Join(err, file.Close()) }()
			o.Record = file
		}
		return virtual.Run(ctx, o, j.file)
	}()
	if err != nil && run.Broken == "" {
		run.Broken = err.Error()
	}
	assert.Judge(run, j.file.Where)
	return run
}

// onlySimulated leaves out the mutants that ask for what the simulator does not model.
func (g *generation) onlySimulated(env *environment) {
	var jobs []job
	var mutants []mutant
	for i, j := range g.jobs {
		if refused := virtual.Refused(j.file, j.app); len(refused) > 0 {
			_, _ = fmt.Fprintf(env.stderr, "%s: %s is left out: %s\n", j.file.Metadata.Name, g.mutants[i].Name, refused[0])
			continue
		}
		jobs, mutants = append(jobs, j), append(mutants, g.mutants[i])
	}
	g.jobs, g.mutants = jobs, mutants
}
