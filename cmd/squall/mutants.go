package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/record"
)

// edit replaces one piece of text of a file that a scenario uses.
type edit struct {
	// File is the name without its folder: scenario.yaml, rules.yaml.
	File string `json:"file"`
	// From must stand in it exactly once; To takes its place.
	From string `json:"from"`
	To   string `json:"to,omitempty"`
}

// mutant is a change that a scenario's checks must notice.
type mutant struct {
	Name string `json:"name"`
	// Expect is the verdict that the changed scenario must get: fail or inconclusive.
	Expect record.Verdict `json:"expect"`
	// Edits are made together.
	Edits []edit `json:"edits"`
}

// mutantFile is mutants.yaml, beside a scenario.
type mutantFile struct {
	Mutants []mutant `json:"mutants"`
}

// mutantResult is one line of the mutants' index.json.
type mutantResult struct {
	Scenario string         `json:"scenario"`
	Mutant   string         `json:"mutant"`
	Expect   record.Verdict `json:"expect"`
	// Outcome is killed (exactly the expected verdict), survived (a pass), inconclusive, or wrong.
	Outcome string         `json:"outcome"`
	Verdict record.Verdict `json:"verdict"`
	Reason  string         `json:"reason"`
}

func newMutantsCommand(env *environment) *cobra.Command {
	f := runFlags{}
	c := &cobra.Command{
		Use:   "mutants FILE|DIR...",
		Short: "Show that every scenario can fail: run it with the changes of its mutants.yaml",
		Long: `Run each scenario with each change that its mutants.yaml lists (a rule dropped, a number off by one, a fault
not injected), and say whether its checks notice. A mutant is killed when it gets exactly the verdict that it must get.

Exit codes: 0 all killed, 1 some were not, 3 invalid input, 4 the lab could not start.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runMutants(c.Context(), env, f, args) },
	}
	c.Flags().StringVar(&f.out, "out", "", "folder for index.json; none is written without it")
	c.Flags().StringVar(&f.envoy, "envoy", "", "path of the Envoy to run")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of ids and random pacing")
	c.Flags().IntVar(&f.parallel, "parallel", 1, "so many meshes side by side")
	c.Flags().DurationVar(&f.timeout, "timeout", 0, "end a mutant that takes longer, as an error; 0 is 3 minutes more than its load")
	return c
}

// loadMutants reads the mutants.yaml of all scenarios and makes their jobs.
func loadMutants(env *environment, args []string) (jobs []job, mutants []mutant, err error) {
	var problems diag.List
	for _, arg := range args {
		paths, err := scenarioFiles(arg)
		if err != nil {
			problems.Errorf("NO-FILE", diag.Pos{File: arg}, "%v", err)
			continue
		}
		for _, path := range paths {
			name := filepath.Join(filepath.Dir(path), "mutants.yaml")
			data, err := os.ReadFile(name) //nolint:gosec // beside the user's own file
			if err != nil {
				problems.Errorf("NO-MUTANTS", diag.Pos{File: name}, "the scenario has no mutants: nobody knows whether it can fail")
				continue
			}
			var file mutantFile
			_, more := config.Decode(config.File{Name: name, Data: data}, "mutants", &file)
			problems.Add(more...)
			for _, m := range file.Mutants {
				if m.Expect != record.Fail && m.Expect != record.Inconclusive {
					problems.Errorf("BAD-VALUE", diag.Pos{File: name}, "mutant %s: expect is fail or inconclusive", m.Name)
				}
				j, more := loadScenario(env, path, m.Edits...)
				problems.Add(more...)
				if j.file != nil {
					j.file = j.file.Variants()[0]
				}
				j.decided = failed
				jobs, mutants = append(jobs, j), append(mutants, m)
			}
		}
	}
	return jobs, mutants, problems.Err()
}

// failed says whether a run that goes on will fail in any case: a check of a phase that is over fails, by what is complete then.
func failed(sofar *record.Run) bool {
	assert.Judge(sofar, func(string) diag.Pos { return diag.Pos{} })
	for _, res := range sofar.Checks {
		c := sofar.Scenario.Spec.Checks[res.Index]
		// Calls, traces and metrics are made from logs, of which some may still come.
		if res.Verdict == record.Fail && (c.Load != "" || c.Split != nil || c.Counter != nil) {
			return true
		}
	}
	return false
}

func runMutants(ctx context.Context, env *environment, f runFlags, args []string) error {
	jobs, mutants, err := loadMutants(env, args)
	if err != nil {
		return invalid(err)
	}
	b, err := findEnvoy(ctx, env, f.envoy)
	if err != nil {
		return err
	}
	quiet := *env
	quiet.stderr = io.Discard
	runs, err := runJobs(ctx, &quiet, f, b, jobs, func(_ job, r *record.Run) error {
		_, err := fmt.Fprintf(env.stderr, "  %-13s %s\n", r.Verdict, r.Scenario.Metadata.Name)
		return err
	})
	if err != nil {
		return err
	}
	results := []mutantResult{}
	alive := 0
	for i, r := range runs {
		res := mutantResult{
			Scenario: r.Scenario.Metadata.Name, Mutant: mutants[i].Name, Expect: mutants[i].Expect,
			Outcome: outcomeOf(mutants[i].Expect, r.Verdict), Verdict: r.Verdict, Reason: r.Reason,
		}
		if res.Outcome != "killed" {
			alive++
		}
		results = append(results, res)
		_, _ = fmt.Fprintf(env.stdout, "%-12s %-20s %-28s %s\n", res.Outcome, res.Scenario, res.Mutant, res.Reason)
	}
	_, _ = fmt.Fprintf(env.stdout, "%d mutants: %d killed, %d not\n", len(results), len(results)-alive, alive)
	if f.out != "" {
		if err := os.MkdirAll(f.out, 0o750); err != nil {
			return broken(fmt.Errorf("folder for reports: %w", err))
		}
		data, err := json.MarshalIndent(results, "", "  ")
		if err != nil {
			return fmt.Errorf("index.json: %w", err)
		}
		for name, content := range map[string][]byte{"index.json": data, "unseen.json": []byte("[]")} {
			if err := writeFile(filepath.Join(f.out, name), content); err != nil {
				return broken(err)
			}
		}
	}
	if alive > 0 {
		return &exitError{code: exitFail}
	}
	return nil
}

func outcomeOf(expect, got record.Verdict) string {
	switch {
	case got == expect:
		return "killed"
	case got == record.Pass:
		return "survived"
	case got == record.Inconclusive:
		return "inconclusive"
	}
	return "wrong"
}
