package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/mutate"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// edit replaces one piece of text of a file that a scenario uses.
type edit struct {
	// File is the name without its folder: scenario.yaml, rules.yaml.
	File string `json:"file"`
	// From must stand in it exactly once; To takes its place.
	From string `json:"from"`
	To   string `json:"to,omitempty"`
	// change is made instead, if it is set.
	change *mutate.Mutant
	// set likewise.
	set func([]byte) ([]byte, error)
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
	// Unseen are generated mutants that the scenario knowingly cannot notice.
	Unseen []blindSpot `json:"unseen,omitempty"`
	// Shared are files that several scenarios use, and of which another one's checks notice every change: none are generated from them here.
	Shared []string `json:"shared,omitempty"`
}

// mutantResult is one line of the mutants' index.json.
type mutantResult struct {
	Scenario string `json:"scenario"`
	Mutant   string `json:"mutant"`
	// Expect is fail or inconclusive; of a generated mutant, either: "fail|inconclusive".
	Expect record.Verdict `json:"expect"`
	// Outcome is killed (exactly the expected verdict), survived (a pass), inconclusive, or wrong; passed of a control.
	Outcome string         `json:"outcome"`
	Verdict record.Verdict `json:"verdict"`
	Reason  string         `json:"reason"`
	// Seconds is how long its last run took.
	Seconds float64 `json:"seconds"`
}

// mutantsFlags are the flags of mutants.
type mutantsFlags struct {
	runFlags
	// generated is the share of the generated mutants that is run, from 0 to 1.
	generated float64
	written   bool
	// only is a part of the names of the mutants to run; all if empty.
	only string
	// control adds each scenario as it is, after its mutants.
	control bool
}

func newMutantsCommand(env *environment) *cobra.Command {
	f := mutantsFlags{}
	c := &cobra.Command{
		Use:   "mutants FILE|DIR...",
		Short: "Show that every scenario can fail: run it with small changes that its checks must notice",
		Long: `Run each scenario with each change that its mutants.yaml lists (a rule dropped, a number off by one, a fault
not injected), and say whether its checks notice. A mutant is killed when it gets exactly the verdict that it must get.

With --generated more are derived from the rules and the timeline: each field removed, each number changed by the smallest step
that matters, each fault left out. Such a mutant is killed when the scenario does not pass. Changes that are invalid or make no
difference to the mesh are no mutants. Those that a scenario knowingly cannot notice stand under unseen in its mutants.yaml; files
whose changes another scenario notices stand under shared.

The mutants of one scenario run one after the other in one mesh, which is set back between them (on loopback and pods, unless
processes came or went). With --control the scenario runs there once more as it is, and must pass: nothing was left behind.

Exit codes: 0 all killed, 1 some were not, 3 invalid input, 4 the lab could not start.`,
		Example: "  squall mutants scenarios/catalog/retries\n  squall mutants --written=false --generated 1 scenarios/catalog/retries\n  squall mutants --generated 1 --only timeout scenarios/catalog/retry-timeouts",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.checkSim(c); err != nil {
				return err
			}
			if f.list || f.sim {
				return runMutants(c.Context(), env, f, args)
			}
			return onPlatform(c.Context(), env, f.platform, nil, func(form platform.Form) error {
				f.form = form
				return runMutants(c.Context(), env, f, args)
			})
		},
	}
	c.Flags().StringVar(&f.out, "out", "", "folder for index.json and unseen.json; none are written without it")
	platformFlag(c, &f.platform)
	nodeImageFlag(c, &f.nodeImage)
	simFlag(c, &f.sim)
	c.Flags().StringVar(&f.envoy, "envoy", "", "path of the Envoy to run")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of ids, random pacing and the draw of generated mutants")
	c.Flags().IntVar(&f.parallel, "parallel", 1, "so many meshes side by side")
	c.Flags().DurationVar(&f.timeout, "timeout", 0, "end a mutant that takes longer, as an error; 0 is 3 minutes more than its load")
	c.Flags().Float64Var(&f.generated, "generated", 0, "share of the generated mutants to run, from 0 to 1, drawn by the seed")
	c.Flags().StringVar(&f.only, "only", "", "run only mutants whose names contain this")
	c.Flags().BoolVar(&f.written, "written", true, "run the mutants of mutants.yaml")
	c.Flags().BoolVar(&f.control, "control", false, "run each scenario as it is after its mutants, in the same mesh: it must pass")
	c.Flags().BoolVar(&f.list, "list", false, "list the mutants and stop")
	return c
}

// loadMutants reads the mutants.yaml of all scenarios, generates more, and makes their jobs.
func loadMutants(env *environment, f mutantsFlags, args []string) (g generation, err error) {
	var problems diag.List
	if f.generated < 0 || f.generated > 1 {
		problems.Errorf("BAD-VALUE", diag.Pos{}, "--generated is a share from 0 to 1, not %v", f.generated)
	}
	for _, arg := range args {
		paths, err := scenarioFiles(arg)
		if err != nil {
			problems.Errorf("NO-FILE", diag.Pos{File: arg}, "%v", err)
			continue
		}
		for _, path := range paths {
			problems.Add(g.load(env, f, path)...)
		}
	}
	g.keep(f.only)
	g.interleave()
	return g, problems.Err()
}

// keep leaves only the mutants whose names contain a text.
func (g *generation) keep(text string) {
	var jobs []job
	var mutants []mutant
	for i, m := range g.mutants {
		if strings.Contains(m.Name, text) {
			jobs, mutants = append(jobs, g.jobs[i]), append(mutants, m)
		}
	}
	g.jobs, g.mutants = jobs, mutants
}

// interleave puts the first mutants of all scenarios before their second ones, so that those that run side by side are different: four times
// the scenario with the highest load is more than a small machine can offer.
func (g *generation) interleave() {
	turn := map[string]int{}
	order := make([]int, len(g.jobs))
	turns := make([]int, len(g.jobs))
	for i, j := range g.jobs {
		name := j.file.Metadata.Name
		order[i], turns[i] = i, turn[name]
		turn[name]++
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(turns[a], turns[b]) })
	jobs, mutants := make([]job, len(order)), make([]mutant, len(order))
	for i, from := range order {
		jobs[i], mutants[i] = g.jobs[from], g.mutants[from]
	}
	g.jobs, g.mutants = jobs, mutants
}

// load adds the mutants of one scenario.
func (g *generation) load(env *environment, f mutantsFlags, path string) diag.List {
	var problems diag.List
	name := mutantsOf(path)
	data, err := os.ReadFile(name) //nolint:gosec // beside the user's own file
	if err != nil {
		problems.Errorf("NO-MUTANTS", diag.Pos{File: name}, "the scenario has no mutants: nobody knows whether it can fail")
		return problems
	}
	var file mutantFile
	_, more := config.Decode(config.File{Name: name, Data: data}, "mutants", &file)
	problems.Add(more...)
	var jobs []job
	for _, m := range file.Mutants {
		if m.Expect != record.Fail && m.Expect != record.Inconclusive {
			problems.Errorf("BAD-VALUE", diag.Pos{File: name}, "mutant %s: expect is fail or inconclusive", m.Name)
		}
		j, more := loadScenario(env, path, m.Edits...)
		problems.Add(more...)
		if j.file == nil {
			continue
		}
		j.file = j.file.Variants()[0]
		j.decided = failed
		jobs = append(jobs, j)
		if f.written {
			g.jobs, g.mutants = append(g.jobs, j), append(g.mutants, m)
		}
	}
	if f.generated > 0 && !problems.HasErrors() {
		more, wrong := generate(env, path, f, file, jobs)
		problems.Add(wrong...)
		g.jobs, g.mutants, g.unseen = append(g.jobs, more.jobs...), append(g.mutants, more.mutants...), append(g.unseen, more.unseen...)
	}
	if f.control {
		j, more := loadScenario(env, path)
		problems.Add(more...)
		if j.file != nil {
			j.file = j.file.Variants()[0]
			g.jobs, g.mutants = append(g.jobs, j), append(g.mutants, mutant{Name: "unchanged", Expect: record.Pass})
		}
	}
	return problems
}

// failed says whether a run that goes on will fail in any case: a check of a phase that is over fails, by what is complete then, or one of
// an open phase whatever is still to come.
func failed(sofar *record.Run, open []record.Phase) bool {
	lost := func(c spec.Check) bool {
		p, ok := sofar.Phase(c.Phase)
		switch {
		case !ok:
			return false
		case slices.ContainsFunc(open, func(o record.Phase) bool { return o.Name == p.Name }):
			return assert.Doomed(sofar, c, p)
		case len(open) > 0: // asked when it was over
			return false
		}
		// Calls, traces and metrics are made from logs, of which some may still come.
		return c.Load != "" || c.Split != nil || c.Counter != nil
	}
	checks := sofar.Scenario.Spec.Checks
	if !slices.ContainsFunc(checks, lost) {
		return false
	}
	assert.Judge(sofar, func(string) diag.Pos { return diag.Pos{} })
	return slices.ContainsFunc(sofar.Checks, func(res record.Result) bool { return res.Verdict == record.Fail && lost(checks[res.Index]) })
}

func runMutants(ctx context.Context, env *environment, f mutantsFlags, args []string) error {
	g, err := loadMutants(env, f, args)
	if err != nil {
		return invalid(err)
	}
	if f.list {
		for i, m := range g.mutants {
			_, _ = fmt.Fprintf(env.stdout, "%-20s %s\n", g.jobs[i].file.Metadata.Name, m.Name)
		}
		return nil
	}
	var b envoy.Binary
	if f.sim {
		g.onlySimulated(env)
	} else if b, err = findEnvoy(ctx, env, f.envoy); err != nil {
		return err
	}
	quiet := *env
	quiet.stderr = io.Discard
	runs, err := runKept(ctx, &quiet, f.runFlags, b, g.jobs, func(_ job, r *record.Run) error {
		_, err := fmt.Fprintf(env.stderr, "  %-13s %s\n", r.Verdict, r.Scenario.Metadata.Name)
		return err
	})
	if err != nil {
		return err
	}
	if err := again(ctx, &quiet, env.stderr, f.runFlags, b, g, runs); err != nil {
		return err
	}
	results := []mutantResult{}
	alive, controls, leaks := 0, 0, 0
	for i, r := range runs {
		m := g.mutants[i]
		res := mutantResult{
			Scenario: r.Scenario.Metadata.Name, Mutant: m.Name, Expect: m.Expect,
			Outcome: outcomeOf(m.Expect, r.Verdict), Verdict: r.Verdict, Reason: r.Reason,
			Seconds: seconds(r),
		}
		switch {
		case m.Expect == record.Pass:
			controls++
			if res.Outcome != "passed" {
				leaks++
			}
		case res.Outcome != "killed":
			alive++
		}
		results = append(results, res)
	}
	slices.SortStableFunc(results, func(a, b mutantResult) int { return cmp.Compare(a.Scenario, b.Scenario) })
	for _, res := range results {
		_, _ = fmt.Fprintf(env.stdout, "%-12s %-20s %-28s %s\n", res.Outcome, res.Scenario, res.Mutant, res.Reason)
	}
	number := len(results) - controls
	_, _ = fmt.Fprintf(env.stdout, "%d mutants: %d killed, %d not; %d are known to be unseen\n", number, number-alive, alive, len(g.unseen))
	if controls > 0 {
		_, _ = fmt.Fprintf(env.stdout, "%d controls: %d passed, %d did not\n", controls, controls-leaks, leaks)
	}
	if f.out != "" {
		unseen := g.unseen
		if unseen == nil {
			unseen = []blindSpot{}
		}
		if err := os.MkdirAll(f.out, 0o750); err != nil {
			return broken(fmt.Errorf("folder for reports: %w", err))
		}
		for name, content := range map[string]any{"index.json": results, "unseen.json": unseen} {
			data, err := json.MarshalIndent(content, "", "  ")
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err := writeFile(filepath.Join(f.out, name), data); err != nil {
				return broken(err)
			}
		}
	}
	if alive+leaks > 0 {
		return &exitError{code: exitFail}
	}
	return nil
}

func outcomeOf(expect, got record.Verdict) string {
	switch {
	case expect == record.Pass && got == expect:
		return "passed"
	case got == expect, expect == either && (got == record.Fail || got == record.Inconclusive):
		return "killed"
	case got == record.Pass:
		return "survived"
	case got == record.Inconclusive:
		return "inconclusive"
	}
	return "wrong"
}
