package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/loadgen/pace"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/study"
	"github.com/squallmesh/squall/scenarios/virtual"
)

// studyFlags are those of sim sweep and sim search.
type studyFlags struct {
	vary        []string
	seed        uint64
	least, most int
	precision   float64
	cube        int
	steps       int
	out         string
}

func newSimCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "sim", Short: "Studies in virtual time: vary a scenario, and look where it ceases to pass",
		Long: `Studies in virtual time: vary a scenario, and look where it ceases to pass.

A parameter is a field of the scenario that is written down there (spec.load[0].rate), or of one of its rules
(rules.yaml:VirtualService/ratings:spec.http[0].timeout).`,
	}
	c.AddCommand(newSweepCommand(env), newSearchCommand(env), newCalibrateCommand(env), newTopologyCommand(env), newSimValidateCommand(env))
	return c
}

func (f *studyFlags) add(c *cobra.Command, least, most int) {
	c.Flags().StringArrayVar(&f.vary, "vary", nil, "a parameter: FIELD=V1,V2,... or FIELD=LOW..HIGH")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the first run; every point has the same seeds, so that points differ by their parameters alone")
	c.Flags().IntVar(&f.least, "least", least, "least runs of a point")
	c.Flags().IntVar(&f.most, "most", most, "most runs of a point")
}

// params reads what is varied, all problems at once.
func (f *studyFlags) params() (out []study.Param, err error) {
	var problems []error
	for _, s := range f.vary {
		p, err := study.ParseParam(s)
		out, problems = append(out, p), append(problems, err)
	}
	if len(f.vary) == 0 {
		problems = append(problems, errors.New("nothing varies: name a parameter with --vary"))
	}
	if f.least < 1 || f.most < f.least {
		problems = append(problems, fmt.Errorf("--least %d --most %d: at least one run of a point, and no fewer at most", f.least, f.most))
	}
	return out, errors.Join(problems...)
}

func newSweepCommand(env *environment) *cobra.Command {
	var f studyFlags
	c := &cobra.Command{
		Use:   "sweep FILE",
		Short: "Run a scenario over a grid, or a Latin hypercube, of parameters",
		Long: `Run a scenario in virtual time over a grid of parameters, or a Latin hypercube of them (--cube N), and print for each
point how many runs passed and each load's share of successes, median and 99th percentile, as means with 95 % intervals.

A point is run until every interval is narrow enough (--precision), at least --least and at most --most times; all points
have the same seeds. Points that are not known as well by then are marked with *.`,
		Example: "  squall sim sweep --vary 'spec.load[0].rate=20/s,40/s,80/s' my-scenario.yaml\n  squall sim sweep --cube 30 --vary 'spec.load[0].rate=20/s..200/s' --vary 'rules.yaml:VirtualService/ratings:spec.http[0].timeout=100ms..900ms' my-scenario.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			params, err := f.params()
			if f.precision <= 0 || f.cube < 0 {
				err = errors.Join(err, fmt.Errorf("--precision %g --cube %d: a share above 0, and a number of points", f.precision, f.cube))
			}
			if f.least < 2 {
				err = errors.Join(err, fmt.Errorf("--least %d: an interval takes two runs", f.least))
			}
			if err != nil {
				return invalid(err)
			}
			return f.sweep(c.Context(), env, args[0], params)
		},
	}
	f.add(c, 3, 20)
	c.Flags().Float64Var(&f.precision, "precision", .05, "how narrow intervals are wanted: half of one, as a share of its mean")
	c.Flags().IntVar(&f.cube, "cube", 0, "so many points of a Latin hypercube in place of the grid")
	c.Flags().StringVar(&f.out, "out", "", "folder for sweep.csv besides the table")
	return c
}

func newSearchCommand(env *environment) *cobra.Command {
	var f studyFlags
	c := &cobra.Command{
		Use:   "search FILE",
		Short: "Find the value of a parameter at which a scenario ceases to pass",
		Long: `Find, in virtual time and by bisection, where between two values of a parameter a scenario ceases to pass: the highest rate
that it stands, the smallest timeout that it needs. The scenario must pass at one end and not at the other; which one is found.

A value passes if all of --most runs with different seeds do; the first that does not decides. What is printed is the last
value that passed and the first that did not: the truth is between them.`,
		Example: "  squall sim search --vary 'spec.load[0].rate=20/s..500/s' my-scenario.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			params, err := f.params()
			if err == nil && (len(params) != 1 || !params[0].Range()) {
				err = errors.New("one parameter with a range, LOW..HIGH, is searched")
			}
			if f.steps < 1 || f.steps > 30 {
				err = errors.Join(err, fmt.Errorf("--steps %d: 1 to 30", f.steps))
			}
			if err != nil {
				return invalid(err)
			}
			return f.search(c.Context(), env, args[0], params[0])
		},
	}
	f.add(c, 1, 5)
	c.Flags().IntVar(&f.steps, "steps", 10, "how often the range is halved")
	return c
}

// at loads the scenario with values of parameters.
func (f *studyFlags) at(env *environment, path string, params []study.Param, values []string) (job, error) {
	quiet := *env
	quiet.stderr = io.Discard
	var edits []edit
	for i, p := range params {
		file := p.File
		if file == "" {
			file = filepath.Base(path)
		}
		edits = append(edits, edit{File: file, set: func(data []byte) ([]byte, error) { return p.Set(data, values[i]) }})
	}
	j, problems := loadScenario(&quiet, path, edits...)
	if problems.HasErrors() {
		return job{}, problems.Err()
	}
	j.file = j.file.Variants()[0]
	refused := virtual.Refused(j.file, j.app)
	return j, refused.Err()
}

// run makes one run of a point.
func (f *studyFlags) run(ctx context.Context, env *environment, j job, n int) (study.Sample, error) {
	dir, err := os.MkdirTemp(env.tempDir, "squall-study-")
	if err != nil {
		return study.Sample{}, err
	}
	run, err := virtual.Run(ctx, virtual.Options{App: j.app, Seed: f.seed + uint64(n), Version: version, Dir: dir, Today: time.Now()}, j.file)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return study.Sample{}, err
	}
	assert.Judge(run, j.file.Where)
	return study.Measure(run), nil
}

// point is one combination of values and what came of it.
type point struct {
	values  []string
	samples []study.Sample
	settled bool
}

func (f *studyFlags) sweep(ctx context.Context, env *environment, path string, params []study.Param) error {
	values := study.Grid(params)
	if f.cube > 0 {
		values = study.Hypercube(params, f.cube, pace.Stream(f.seed, "cube"))
	}
	jobs := make([]job, len(values))
	for i := range values { // all problems before anything runs
		var err error
		if jobs[i], err = f.at(env, path, params, values[i]); err != nil {
			return invalid(fmt.Errorf("%s: %w", strings.Join(values[i], " "), err))
		}
	}
	debug.SetGCPercent(simGC)
	points := make([]point, len(values))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, j := range jobs {
		g.Go(func() error {
			p := &points[i]
			p.values = values[i]
			for n := range f.most {
				s, err := f.run(ctx, env, j, n)
				if err != nil {
					return err
				}
				p.samples = append(p.samples, s)
				if p.settled = n+1 >= f.least && study.Settled(p.samples, f.precision); p.settled {
					break
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return broken(err)
	}
	printSweep(env.stdout, params, points)
	if f.out == "" {
		return nil
	}
	if err := writeReport(filepath.Join(f.out, "sweep.csv"), func(w io.Writer) error { return writeSweep(w, params, points) }); err != nil {
		return broken(err)
	}
	return nil
}

func printSweep(out io.Writer, params []study.Param, points []point) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var head []string
	for _, p := range params {
		head = append(head, p.Name)
	}
	head = append(append(head, "passed"), points[0].samples[0].Names...)
	_, _ = fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, p := range points {
		cells := slices.Clone(p.values)
		mark := ""
		if !p.settled {
			mark = "*"
		}
		cells = append(cells, fmt.Sprintf("%d/%d%s", study.Passed(p.samples), len(p.samples), mark))
		for _, e := range study.Estimates(p.samples) {
			cells = append(cells, e.String())
		}
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush()
}

func writeSweep(out io.Writer, params []study.Param, points []point) error {
	w := csv.NewWriter(out)
	var head []string
	for _, p := range params {
		head = append(head, p.Name)
	}
	head = append(head, "runs", "passed")
	for _, name := range points[0].samples[0].Names {
		head = append(head, name, name+" ±95%")
	}
	if err := w.Write(head); err != nil {
		return err
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }
	for _, p := range points {
		row := append(slices.Clone(p.values), strconv.Itoa(len(p.samples)), strconv.Itoa(study.Passed(p.samples)))
		for _, e := range study.Estimates(p.samples) {
			row = append(row, number(e.Mean), number(e.Half))
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func (f *studyFlags) search(ctx context.Context, env *environment, path string, p study.Param) error {
	debug.SetGCPercent(simGC)
	var invalidPoint diag.List
	holds := func(x float64) (bool, error) {
		value := p.Value(x)
		j, err := f.at(env, path, []study.Param{p}, []string{value})
		if err != nil {
			invalidPoint = diag.From(err)
			return false, err
		}
		for n := range f.most {
			s, err := f.run(ctx, env, j, n)
			if err != nil {
				return false, err
			}
			if !s.Pass {
				_, _ = fmt.Fprintf(env.stderr, "%s: does not pass (run %d)\n", value, n+1)
				return false, nil
			}
		}
		_, _ = fmt.Fprintf(env.stderr, "%s: passes %d times\n", value, f.most)
		return true, nil
	}
	same := func(a, b float64) bool { return p.Value(a) == p.Value(b) }
	good, bad, err := study.Bisect(p.Low, p.High, f.steps, same, holds)
	switch {
	case err == nil:
	case len(invalidPoint) > 0, errors.Is(err, study.ErrEnds):
		return invalid(err)
	default:
		return broken(err)
	}
	_, _ = fmt.Fprintf(env.stdout, "%s passes at %s and not at %s\n", p.Name, p.Value(good), p.Value(bad))
	return nil
}
