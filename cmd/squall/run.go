package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/kind"
	"github.com/squallmesh/squall/mesh/sim/topology"
	"github.com/squallmesh/squall/reports"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/live"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// runFlags are the flags of run.
type runFlags struct {
	out, envoy   string
	seed         uint64
	list, dryRun bool
	timeout      time.Duration
	repeat       int
	parallel     int
	junit        string
	attach       bool
	name         string
	tags         []string
	shard        string
	// baseline is a folder of earlier bundles, compareEnvoy the path of another Envoy: what got worse is a fail.
	baseline, compareEnvoy string
	platform, nodeImage    string
	// keep leaves the mesh of a single run up until the user ends it.
	keep bool
	// form is what labs stand on; of kind, the cluster.
	form platform.Form
	kind *kind.Platform
	// injected takes the app's pods that are in the cluster.
	injected bool
	// starting holds a value while one of several meshes starts.
	starting turn
	// sim runs in virtual time. topology names the file of its times, which measured holds; empty has none.
	sim      bool
	topology string
	measured *topology.File
	// excluded are the scenarios that the platform refuses.
	excluded []exclusion
	// host is the socket of the lab to which runs attach.
	host string
}

func newRunCommand(env *environment) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run FILE|DIR|-...",
		Short: "Run scenarios and say pass, fail or inconclusive",
		Long: `Run scenarios, each in a mesh of its own, and say pass, fail or inconclusive.

A folder stands for all scenario.yaml below it, - for standard input. All files are checked before anything starts.

Exit codes: 0 pass, 1 fail, 3 invalid input (nothing was started), 4 the lab could not start or broke,
5 inconclusive, 130 Ctrl-C, 143 SIGTERM. Over several scenarios 4 wins over 1 over 5 over 0.

With --baseline or --compare-envoy the success and the latency of each load in each phase are compared, with intervals; what
got worse for certain, or a worse verdict, is a fail.

In a workflow of GitHub (GITHUB_ACTIONS=true) what did not pass is annotated at its line, and the step's summary is written.`,
		Example: "  squall run scenarios/catalog/baseline\n  squall run --out out/mine my-scenario.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.checkSim(c); err != nil {
				return err
			}
			if f.list || f.dryRun || f.attach || f.sim {
				return runScenarios(c.Context(), env, f, args)
			}
			return onPlatform(c.Context(), env, f.platform, nil, func(form platform.Form) error {
				f.form = form
				if err := checkInjected(f.injected, form); err != nil {
					return err
				}
				return runScenarios(c.Context(), env, f, args)
			})
		},
	}
	c.Flags().StringVar(&f.out, "out", "", "folder for reports; none are written without it")
	c.Flags().StringVar(&f.envoy, "envoy", "", "path of the Envoy to run")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of ids and random pacing; 0 draws one, which is printed")
	c.Flags().BoolVar(&f.list, "list", false, "list the scenarios and stop")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "check everything, say how many samples checks need, and stop")
	c.Flags().DurationVar(&f.timeout, "timeout", 0, "end a scenario that takes longer, as an error; 0 is 3 minutes more than its load")
	c.Flags().StringVar(&f.junit, "junit", "", "file for one JUnit report of all scenarios; OUT/junit.xml with --out")
	c.Flags().IntVar(&f.parallel, "parallel", 1, "so many meshes side by side")
	c.Flags().StringSliceVar(&f.tags, "tags", nil, "run scenarios with one of these tags; !tag leaves out those with it")
	c.Flags().StringVar(&f.shard, "shard", "", "run one part of the scenarios: 1/3 is the first of three")
	c.Flags().StringVar(&f.baseline, "baseline", "", "folder of an earlier run; what got worse since is a fail")
	c.Flags().StringVar(&f.compareEnvoy, "compare-envoy", "", "run everything again with this Envoy; what is worse with it is a fail")
	c.Flags().BoolVar(&f.attach, "attach", false, "use the mesh of squall up, and set it back afterwards")
	nameFlag(c, &f.name)
	platformFlag(c, &f.platform)
	c.Flags().BoolVar(&f.keep, "keep", false, "leave the mesh up after the verdict, until Ctrl-C, to look at it; for one scenario")
	nodeImageFlag(c, &f.nodeImage)
	injectedFlag(c, &f.injected)
	simFlag(c, &f.sim)
	c.Flags().StringVar(&f.topology, "topology", "", "a file of squall sim calibrate, whose times are taken in place of the simulator's own (with --sim)")
	c.Flags().IntVar(&f.repeat, "repeat", 1, "run each scenario so many times")
	return c
}

// job is a scenario that is ready to run.
type job struct {
	file   *spec.File
	app    *config.App
	appDir string
	// sources are the scenario's file, first, and its rules, as they were read.
	sources []config.File
	// decided tells that a run's verdict is known, which stops it; nil never does.
	decided func(sofar *record.Run, open []record.Phase) bool
	// bundle is the folder for what the run leaves behind; empty for none.
	bundle string
	// among says that the scenario was found in a folder, and not named by itself.
	among bool
}

func runScenarios(ctx context.Context, env *environment, f runFlags, args []string) error {
	jobs, err := loadScenarios(env, args)
	if err == nil {
		jobs, err = chosen(jobs, f.tags, f.shard)
	}
	if err != nil {
		annotateErrors(env, err)
		return invalid(err)
	}
	before, err := earlier(f.baseline, jobs)
	if err != nil {
		return invalid(err)
	}
	if f.list {
		for _, j := range jobs {
			_, _ = fmt.Fprintf(env.stdout, "%-24s %s\n", j.file.Metadata.Name, j.file.Spec.Title)
		}
		return nil
	}
	if f.dryRun {
		return printPlans(env.stdout, jobs)
	}
	if f.keep && (f.attach || f.compareEnvoy != "" || len(jobs)*f.repeat != 1) {
		return invalid(fmt.Errorf("--keep leaves the mesh of one run up: name one scenario, once, without --attach and --compare-envoy (these are %d runs)", len(jobs)*f.repeat))
	}
	host, err := attachTo(env, &f, jobs)
	if err != nil {
		return err
	}
	f.host = host
	if jobs, f.excluded, err = possible(env, f.refused, jobs); err != nil {
		return invalid(err)
	}
	var b envoy.Binary
	if f.sim {
		debug.SetGCPercent(simGC)
	} else {
		if b, err = findEnvoy(ctx, env, f.envoy); err != nil {
			return err
		}
	}
	var other envoy.Binary
	if f.compareEnvoy != "" {
		if other, err = findEnvoy(ctx, env, f.compareEnvoy); err != nil {
			return err
		}
	}
	if f.seed == 0 {
		f.seed = rand.Uint64() >> 1 //nolint:gosec // a seed, not a secret
	}
	jobs = slices.Repeat(jobs, max(1, f.repeat))
	nameBundles(f.out, jobs)
	screen := env.live(len(jobs))
	runs, err := runJobs(ctx, screen, f, b, jobs, screen.report)
	screen.status.close()
	if err != nil {
		return err
	}
	if err := errors.Join(writeSummary(f, runs), tellGitHub(env, runs)); err != nil {
		return broken(err)
	}
	worse := regressed(env, "since the baseline", before, runs)
	if f.compareEnvoy != "" {
		more, err := withOtherEnvoy(ctx, env, f, other, jobs, runs)
		if err != nil {
			return err
		}
		worse += more
	}
	err = conclude(env, runs)
	if code := reports.ExitCode(runs); worse > 0 && code != exitBroken {
		return &exitError{code: exitFail}
	}
	return err
}

// report prints what came of a run and writes its bundle.
func (env *environment) report(j job, run *record.Run) error {
	if err := reports.Text(env.stdout, run, false); err != nil {
		return err
	}
	return writeBundle(j.bundle, run)
}

// conclude sums several runs up and gives their exit code.
func conclude(env *environment, runs []*record.Run) error {
	if len(runs) > 1 {
		printSummary(env.stdout, runs)
	}
	if code := reports.ExitCode(runs); code != exitPass {
		return &exitError{code: code}
	}
	return nil
}

// attachTo finds the lab to which runs attach, and refuses what cannot be done there; empty if they do not.
func attachTo(env *environment, f *runFlags, jobs []job) (host string, err error) {
	if !f.attach {
		return "", nil
	}
	if f.parallel > 1 {
		return "", invalid(errors.New("runs that attach use one mesh after the other: leave --parallel out"))
	}
	s, err := loadState(env, f.name)
	if err != nil {
		return "", broken(err)
	}
	f.form = s.Form
	if s.Host == "" {
		return "", invalid(fmt.Errorf("runs attach to labs on loopback and in pods; this one is on %s: run without --attach", s.Form))
	}
	var problems diag.List
	for _, j := range jobs {
		problems.Add(live.Attachable(j.file)...)
		if app := appName(j.file.Spec.App, filepath.Dir(j.file.Name)); app != s.App {
			problems.Errorf("OTHER-APP", j.file.Where("spec.app"), "the mesh that is up runs %s, not %s", s.App, app)
		}
	}
	if err := problems.Err(); err != nil {
		return "", invalid(err)
	}
	return s.Host, nil
}

// keep says what came of a run whose mesh is still up, and waits until the user has seen enough.
func keep(ctx context.Context, env *environment, j job, run *record.Run, gateway string) {
	assert.Judge(run, j.file.Where)
	if err := reports.Text(env.stdout, run, false); err != nil {
		return // nobody reads it
	}
	_, _ = fmt.Fprintf(env.stderr, "the mesh stays up at http://%s; Ctrl-C takes it down\n", gateway)
	<-ctx.Done()
}

// loadScenarios reads all scenarios and all that they name; every problem of every file comes at once.
func loadScenarios(env *environment, args []string) ([]job, error) {
	var problems diag.List
	var jobs []job
	for _, arg := range args {
		paths, err := scenarioFiles(arg)
		if err != nil {
			problems.Errorf("NO-FILE", diag.Pos{File: arg}, "%v", err)
			continue
		}
		for _, path := range paths {
			j, more := loadScenario(env, path)
			problems.Add(more...)
			if j.file == nil {
				continue
			}
			for _, f := range j.file.Variants() {
				one := j
				one.file, one.among = f, path != arg
				jobs = append(jobs, one)
			}
		}
	}
	if w := problems.Warnings().Sorted(); len(w) > 0 && !problems.HasErrors() {
		_, _ = fmt.Fprintln(env.stderr, w.Text())
	}
	return jobs, problems.Err()
}

func scenarioFiles(arg string) ([]string, error) {
	if arg == "-" {
		return []string{arg}, nil
	}
	info, err := os.Stat(arg)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{arg}, nil
	}
	var out []string
	err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "scenario.yaml" {
			out = append(out, path)
		}
		return err
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("there is no scenario.yaml below %s", arg)
	}
	slices.Sort(out)
	return out, err
}

func loadScenario(env *environment, path string, edits ...edit) (job, diag.List) {
	var problems diag.List
	read := func() ([]byte, error) { return os.ReadFile(path) } //nolint:gosec // the user names the file
	if path == "-" {
		read = func() ([]byte, error) { return io.ReadAll(env.stdin) }
	}
	data, err := read()
	if err != nil {
		problems.Errorf("NO-FILE", diag.Pos{File: path}, "the scenario cannot be read: %v", err)
		return job{}, problems
	}
	dir := filepath.Dir(path)
	files := anywhere{dir: dir, edits: edits, used: map[int]bool{}}
	if data, err = files.edited(filepath.Base(path), data); err != nil {
		problems.Errorf("BAD-EDIT", diag.Pos{File: path}, "%v", err)
		return job{}, problems
	}
	// Rules may lie beside the scenario or anywhere else that its paths lead to.
	file, problems := spec.Parse(config.File{Name: path, Data: data}, files, ".", dir)
	if file == nil {
		return job{}, problems
	}
	j := job{file: file, sources: append([]config.File{{Name: path, Data: data}}, file.Rules...)}
	for _, i := range slices.Sorted(maps.Keys(file.Items)) {
		j.sources = append(j.sources, file.Items[i]...)
	}
	if file.Spec.App != "" {
		j.app, j.appDir, err = loadEditedApp(file.Spec.App, dir, files)
	}
	for i, e := range edits {
		if !files.used[i] {
			problems.Errorf("BAD-EDIT", diag.Pos{File: path}, "the edit of %s changes nothing that the scenario uses", e.File)
		}
	}
	if file.Spec.App == "" {
		return j, problems
	}
	if err != nil {
		problems.Add(diag.From(err)...)
		return j, problems
	}
	problems.Add(file.CheckNames(j.app)...)
	problems.Add(checkRules(j.app, file.Rules)...)
	for i := range file.Spec.Timeline {
		if files, ok := file.Items[i]; ok {
			problems.Add(checkRules(j.app, slices.Concat(file.Rules, files))...)
		}
	}
	return j, problems
}

// anywhere reads files relative to a folder, also above it: the user's own files name them. Edits are made on the way.
type anywhere struct {
	dir   string
	edits []edit
	used  map[int]bool
}

// Open implements fs.FS.
func (a anywhere) Open(name string) (fs.File, error) { return os.Open(a.path(name)) }

// ReadFile implements fs.ReadFileFS.
func (a anywhere) ReadFile(name string) ([]byte, error) {
	data, err := os.ReadFile(a.path(name))
	if err != nil {
		return nil, err
	}
	return a.edited(name, data)
}

func (a anywhere) path(name string) string {
	path := filepath.FromSlash(name)
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(a.dir, path)
}

// edited makes the edits of a file. Each must fit exactly one place, so that it does what its author meant.
func (a anywhere) edited(name string, data []byte) ([]byte, error) {
	for i, e := range a.edits {
		if filepath.Base(name) != e.File {
			continue
		}
		a.used[i] = true
		if e.set != nil {
			var err error
			if data, err = e.set(data); err != nil {
				return nil, err
			}
			continue
		}
		if e.change != nil {
			data = e.change.Apply(data)
			continue
		}
		if n := bytes.Count(data, []byte(e.From)); n != 1 {
			return nil, fmt.Errorf("%q stands %d times in %s, not once", e.From, n, name)
		}
		data = bytes.Replace(data, []byte(e.From), []byte(e.To), 1)
	}
	return data, nil
}

// editedFS is a folder whose files are edited as they are read.
type editedFS struct {
	fs.FS
	files anywhere
}

// ReadFile implements fs.ReadFileFS.
func (e editedFS) ReadFile(name string) ([]byte, error) {
	data, err := fs.ReadFile(e.FS, name)
	if err != nil {
		return nil, err
	}
	return e.files.edited(name, data)
}

// printSummary lists the verdicts of several runs.
func printSummary(w io.Writer, runs []*record.Run) {
	_, _ = fmt.Fprintln(w)
	for _, r := range runs {
		_, _ = fmt.Fprintf(w, "%-14s %-24s %5.1fs\n", r.Verdict, r.Scenario.Metadata.Name, seconds(r))
	}
}

func seconds(r *record.Run) float64 {
	if r.Start.IsZero() {
		return 0
	}
	return r.End.Sub(r.Start).Seconds() + r.Warmup.Seconds()
}
