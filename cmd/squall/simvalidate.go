package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/sim/topology"
	"github.com/squallmesh/squall/scenarios/calibrate"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/validate"
	"github.com/squallmesh/squall/scenarios/virtual"
)

// calibrationTag marks the scenarios from whose live runs the times of their neighbours come.
const calibrationTag = "calibration"

// simValidateFlags are those of sim validate.
type simValidateFlags struct {
	rounds                 int
	seed                   uint64
	out, records, platform string
	envoy                  string
	form                   platform.Form
}

func newSimValidateCommand(env *environment) *cobra.Command {
	var f simValidateFlags
	c := &cobra.Command{
		Use:   "validate DIR...",
		Short: "Hold simulated runs against live ones, and say how far off they are",
		Long: `Run scenarios live, in interleaved rounds, and in virtual time with times that were fitted to other live runs, and say how far
off the simulated figures are.

The times come from the scenarios tagged "calibration": from those that lie beside a scenario and have its app. They are run in each
round too, and never compared. Of each other scenario medians over the rounds are compared: p50 and p99 of each load may differ by 5 %
or by twice the standard deviation of the live runs, whichever is more; the share of errors by one percentage point; the numbers of
retries and of ejections by 5 %. Round n has the seed --seed + n live and simulated, so that both are asked the same at the same times.

Nothing else should run on the machine. With --records the live runs are kept, and those that are there already are not made again.

Exit codes: 0 all figures are within, 1 some are not, 3 invalid input (nothing was started), 4 a lab could not start or broke.`,
		Example: "  squall sim validate --rounds 5 --records out/sim-validate --out out/sim-validate.json scenarios/validate",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if f.rounds < 2 {
				return invalid(fmt.Errorf("--rounds %d: two at least, or there is no spread", f.rounds))
			}
			sets, err := loadValidations(env, args)
			if err != nil {
				return invalid(err)
			}
			return onPlatform(c.Context(), env, f.platform, nil, func(form platform.Form) error {
				f.form = form
				return f.run(c.Context(), env, sets)
			})
		},
	}
	c.Flags().IntVar(&f.rounds, "rounds", 5, "live runs of each scenario")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the first round")
	c.Flags().StringVar(&f.out, "out", "", "file for the figures as JSON; none is written without it")
	c.Flags().StringVar(&f.records, "records", "", "folder for the live runs' records, and for the times that were fitted to them; what it has is not run again")
	c.Flags().StringVar(&f.envoy, "envoy", "", "path of the Envoy to run")
	platformFlag(c, &f.platform)
	return c
}

// validation is a set of scenarios of one app in one folder, with those by which it is calibrated.
type validation struct {
	name        string
	calibration []job
	scenarios   []job
}

// loadValidations reads the scenarios of folders, by where they lie and their app, all problems at once.
func loadValidations(env *environment, args []string) ([]*validation, error) {
	jobs, err := loadScenarios(env, args)
	if err != nil {
		return nil, err
	}
	var problems diag.List
	var sets []*validation
	for _, j := range jobs {
		problems.Add(virtual.Refused(j.file, j.app)...)
		name := filepath.Base(filepath.Dir(filepath.Dir(j.file.Name))) + " " + j.file.Spec.App
		i := slices.IndexFunc(sets, func(v *validation) bool { return v.name == name })
		if i < 0 {
			i = len(sets)
			sets = append(sets, &validation{name: name})
		}
		if slices.Contains(j.file.Metadata.Tags, calibrationTag) {
			sets[i].calibration = append(sets[i].calibration, j)
		} else {
			sets[i].scenarios = append(sets[i].scenarios, j)
		}
	}
	for _, v := range sets {
		if len(v.calibration) > 0 {
			continue
		}
		for _, j := range v.scenarios {
			problems.Errorf("NO-CALIBRATION", j.file.Where("spec.app"), "no scenario beside this one has the app %s and the tag %s", j.file.Spec.App, calibrationTag)
			problems.Hint("give the simulator's times a scenario of their own, at another rate: metadata: {tags: [" + calibrationTag + "]}")
		}
	}
	slices.SortFunc(sets, func(a, b *validation) int { return cmp.Compare(a.name, b.name) })
	return sets, problems.Err()
}

// round makes the live runs of one round that are not there yet; each round begins with another scenario.
func (f *simValidateFlags) round(ctx context.Context, env *environment, b envoy.Binary, sets []*validation, n int) (map[string]*record.Run, error) {
	flags := runFlags{form: f.form, seed: f.seed + uint64(n)}
	out := map[string]*record.Run{}
	var jobs []job
	for _, v := range sets {
		for _, j := range slices.Concat(v.calibration, v.scenarios) {
			if f.records != "" {
				j.bundle = filepath.Join(f.records, fmt.Sprintf("round-%d", n+1), j.file.Metadata.Name)
				if run := kept(j, flags.seed); run != nil {
					out[j.file.Metadata.Name] = run
					continue
				}
			}
			jobs = append(jobs, j)
		}
	}
	if len(jobs) > 0 {
		k := n * len(jobs) / f.rounds
		jobs = slices.Concat(jobs[k:], jobs[:k])
	}
	_, err := runJobs(ctx, env, flags, b, jobs, func(j job, run *record.Run) error {
		if run.Verdict == record.Error || len(run.Gaps) > 0 {
			return fmt.Errorf("%s, round %d, tells nothing: %s", j.file.Metadata.Name, n+1, run.Reason)
		}
		out[j.file.Metadata.Name] = run
		return nil
	})
	return out, err
}

// kept is the run of a bundle, if it is one of the same scenario with a seed that went to its end.
func kept(j job, seed uint64) *record.Run {
	for i, f := range j.sources {
		have, err := os.ReadFile(filepath.Join(j.bundle, sourceName(i, f)))
		if err != nil || !bytes.Equal(bytes.TrimSpace(have), bytes.TrimSpace(shareable(f.Data))) {
			return nil
		}
	}
	run, err := judgeAgain(j.bundle)
	if err != nil || run.Seed != seed || run.Verdict == record.Error || len(run.Gaps) > 0 {
		return nil
	}
	return run
}

func (f *simValidateFlags) run(ctx context.Context, env *environment, sets []*validation) error {
	b, err := findEnvoy(ctx, env, f.envoy)
	if err != nil {
		return err
	}
	live := map[string][]*record.Run{}
	for n := range f.rounds {
		runs, err := f.round(ctx, env, b, sets, n)
		if err != nil {
			return err
		}
		for name, run := range runs { // into lists by name
			live[name] = append(live[name], run)
		}
	}
	report := validationReport{Rounds: f.rounds, Seed: f.seed}
	for _, v := range sets {
		times, err := f.calibrated(v, live)
		if err != nil {
			return err
		}
		for _, j := range v.scenarios {
			if err := report.add(ctx, env, v, j, live[j.file.Metadata.Name], times); err != nil {
				return err
			}
		}
	}
	if f.out != "" {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return broken(err)
		}
		if err := writeFile(f.out, text); err != nil {
			return broken(err)
		}
	}
	return report.print(env.stdout)
}

// calibrated fits a set's times to the live runs of its calibration.
func (f *simValidateFlags) calibrated(v *validation, live map[string][]*record.Run) (*topology.File, error) {
	var runs []*record.Run
	for _, j := range v.calibration {
		runs = append(runs, live[j.file.Metadata.Name]...)
	}
	result, err := calibrate.Runs(v.calibration[0].file.Metadata.Name, runs)
	if err != nil {
		return nil, broken(fmt.Errorf("%s: %w", v.name, err))
	}
	text, err := topologyText(&result.Document)
	if err != nil {
		return nil, broken(err)
	}
	name := result.Document.Metadata.Name + ".yaml"
	if f.records != "" {
		name = filepath.Join(f.records, name)
		if err := writeFile(name, text); err != nil {
			return nil, broken(err)
		}
	}
	file, problems := topology.Parse(config.File{Name: name, Data: text})
	return file, problems.Err()
}

// validationReport is what sim validate found.
type validationReport struct {
	Rounds    int                   `json:"rounds"`
	Seed      uint64                `json:"seed"`
	Scenarios []validationOfOneFile `json:"scenarios"`
}

type validationOfOneFile struct {
	Set      string         `json:"set"`
	Scenario string         `json:"scenario"`
	Figures  []validate.Row `json:"figures"`
}

// add simulates a scenario as often as it was run live, with the same seeds, and compares.
func (r *validationReport) add(ctx context.Context, env *environment, v *validation, j job, live []*record.Run, times *topology.File) error {
	var lived, simulated [][]validate.Figure
	for _, l := range live {
		lived = append(lived, validate.Measure(l))
		dir, err := os.MkdirTemp(env.tempDir, "squall-sim-")
		if err != nil {
			return broken(err)
		}
		run, err := virtual.Run(ctx, virtual.Options{
			App: j.app, Seed: l.Seed, Version: version, Dir: dir, Today: time.Now(), Times: &times.Times, Work: times.Work,
		}, j.file)
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			return broken(err)
		}
		simulated = append(simulated, validate.Measure(run))
	}
	rows, err := validate.Compare(lived, simulated)
	if err != nil {
		return broken(fmt.Errorf("%s: %w", j.file.Metadata.Name, err))
	}
	r.Scenarios = append(r.Scenarios, validationOfOneFile{Set: v.name, Scenario: j.file.Metadata.Name, Figures: rows})
	return nil
}

func (r *validationReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "scenario\tfigure\tlive\tspread\tsimulated\terror\tallowed\t")
	figures, off := 0, 0
	for _, s := range r.Scenarios {
		for _, row := range s.Figures {
			figures++
			mark := "within"
			if !row.Within {
				mark = "OFF"
				off++
			}
			show, differs := shownAs(row)
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t±%s\t%s\t%s\t%s\t%s\n", s.Scenario, row.Figure, show(row.Live), show(row.Spread), show(row.Simulated), differs, show(row.Allowed), mark)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d figures of %d scenarios, medians of %d rounds: %d within, %d off\n", figures, len(r.Scenarios), r.Rounds, figures-off, off)
	if off > 0 {
		return &exitError{code: exitFail}
	}
	return nil
}

// shownAs gives how a row's numbers are written, and its error.
func shownAs(row validate.Row) (show func(float64) string, differs string) {
	switch row.Kind {
	case validate.Latency:
		show = func(v float64) string { return fmt.Sprintf("%.2fms", 1000*v) }
	case validate.Share:
		return func(v float64) string { return fmt.Sprintf("%.2f%%", v) }, fmt.Sprintf("%+.2f points", row.Error())
	case validate.Count:
		show = func(v float64) string { return fmt.Sprintf("%.4g", v) }
	}
	return show, fmt.Sprintf("%+.1f%%", 100*row.Error())
}
