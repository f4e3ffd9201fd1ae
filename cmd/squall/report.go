package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/reports"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/compare"
	"github.com/squallmesh/squall/scenarios/record"
)

func newReportCommand(env *environment) *cobra.Command {
	var out string
	var two bool
	c := &cobra.Command{
		Use:   "report DIR...",
		Short: "Judge recorded runs again, without a mesh",
		Long: `Judge recorded runs again from their bundles alone, with today's checks, and write their reports anew.

A folder is a bundle that squall run wrote, or holds some. A verdict that differs from the one in the bundle's result.json is
said. Also the bundle of a run that was killed can be read, up to its last second.

With --compare two bundles of a scenario, the earlier first, are compared: what changed, with intervals.

Exit codes are those of squall run; 3 if a folder holds no record. With --compare 1 says that something got worse.`,
		Example: "  squall report out/scenarios/baseline\n  squall report --compare before/baseline after/baseline",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if two {
				return compareBundles(env, args)
			}
			return reportBundles(env, args, out)
		},
	}
	c.Flags().StringVar(&out, "out", "", "folder for the reports; the bundle's own without it")
	c.Flags().BoolVar(&two, "compare", false, "compare two bundles, the earlier first")
	return c
}

// compareBundles says what changed between two runs.
func compareBundles(env *environment, args []string) error {
	if len(args) != 2 {
		return invalid(fmt.Errorf("two bundles are compared, not %d: squall report --compare BEFORE AFTER", len(args)))
	}
	runs, err := judgeAll(args)
	if err != nil {
		return err
	}
	c := compare.Runs(runs[0], runs[1])
	_, _ = fmt.Fprintf(env.stdout, "verdict: %s, then %s\n", c.Before, c.After)
	for _, k := range c.Checks {
		_, _ = fmt.Fprintf(env.stdout, "check %s: %s, then %s\n", k.Name, k.Before, k.After)
	}
	for _, r := range c.Rows {
		_, _ = fmt.Fprintf(env.stdout, "%-8s %s\n", r.Change, r)
	}
	if worse := c.Regression(); worse != "" {
		_, _ = fmt.Fprintln(env.stdout, "worse: "+worse)
		return &exitError{code: exitFail}
	}
	return nil
}

func reportBundles(env *environment, args []string, out string) error {
	dirs, err := bundles(args)
	if err != nil {
		return invalid(err)
	}
	var runs []*record.Run
	for _, dir := range dirs {
		run, err := judgeAgain(dir)
		if err != nil {
			return invalid(fmt.Errorf("%s: %w", dir, err))
		}
		runs = append(runs, run)
		if err := reports.Text(env.stdout, run, false); err != nil {
			return err
		}
		if before, ok := verdictOf(dir); ok && before != run.Verdict {
			_, _ = fmt.Fprintf(env.stdout, "  the verdict was %s when the scenario ran\n", before)
		}
		to := dir
		if out != "" {
			to = filepath.Join(out, filepath.Base(dir))
		}
		if err := writeBundle(to, run); err != nil {
			return broken(err)
		}
	}
	return conclude(env, runs)
}

// bundles finds the folders with a record, at or below those named.
func bundles(args []string) ([]string, error) {
	var out []string
	var problems []error
	for _, arg := range args {
		var found []string
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == recordName {
				found = append(found, filepath.Dir(path))
			}
			return err
		})
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("there is no %s in or below %s; squall run --out writes one", recordName, arg)
		}
		problems = append(problems, err)
		out = append(out, found...)
	}
	slices.Sort(out)
	return slices.Compact(out), errors.Join(problems...)
}

// judgeAll judges the runs of several folders once more.
func judgeAll(dirs []string) ([]*record.Run, error) {
	var out []*record.Run
	for _, dir := range dirs {
		run, err := judgeAgain(dir)
		if err != nil {
			return nil, invalid(fmt.Errorf("%s: %w", dir, err))
		}
		out = append(out, run)
	}
	return out, nil
}

// judgeAgain reads a bundle's record and judges it.
func judgeAgain(dir string) (*record.Run, error) {
	f, err := os.Open(filepath.Join(dir, recordName)) //nolint:gosec // the user names the folder
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	run, where, err := record.Read(f)
	if err != nil {
		return nil, err
	}
	assert.Judge(run, func(path string) diag.Pos {
		number, _ := strings.CutPrefix(path, "spec.checks[")
		if i, err := strconv.Atoi(strings.TrimSuffix(number, "]")); err == nil && i >= 0 && i < len(where) {
			return where[i]
		}
		return diag.Pos{File: run.File}
	})
	return run, nil
}

// verdictOf reads the verdict that a bundle was given when it was made.
func verdictOf(dir string) (record.Verdict, bool) {
	data, err := os.ReadFile(filepath.Join(dir, "result.json")) //nolint:gosec // the user names the folder
	if err != nil {
		return "", false
	}
	var result struct {
		Verdict record.Verdict `json:"verdict"`
	}
	return result.Verdict, json.Unmarshal(data, &result) == nil && result.Verdict != ""
}
