package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/sim/topology"
	"github.com/squallmesh/squall/scenarios/calibrate"
)

func newCalibrateCommand(env *environment) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "calibrate BUNDLE...",
		Short: "Fit the simulator's times to recorded runs, and write them to a file",
		Long: `Fit the simulator's times to recorded runs, and write them to a file that squall run --sim --topology reads.

From the spans and logs of each request come the time at work of every workload, what a hop between two proxies takes, and
what the load adds. Each is described by the family that comes closest (constant, exponential, log-normal, gamma), or by
its quantiles where none is close enough: the table gives Kolmogorov's and Smirnov's distance, and the one beyond which a
family is rejected at 5 %. Only requests count that nothing disturbed. The file also has the graph of who calls whom.`,
		Example: "  squall run --out out/plain my-plain-load.yaml\n  squall sim calibrate --out topology.yaml out/plain\n  squall run --sim --topology topology.yaml my-scenario.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return calibrateBundles(env, args, out)
		},
	}
	c.Flags().StringVar(&out, "out", "topology.yaml", "the file to write")
	return c
}

func calibrateBundles(env *environment, args []string, out string) error {
	dirs, err := bundles(args)
	if err != nil {
		return invalid(err)
	}
	runs, err := judgeAll(dirs)
	if err != nil {
		return err
	}
	result, err := calibrate.Runs(filepath.Base(dirs[0]), runs)
	if err != nil {
		return invalid(err)
	}
	if err := writeTopology(out, &result.Document); err != nil {
		return broken(err)
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "time of\tsamples\tfit\tdistance\trejected above")
	for _, r := range result.Rows {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%.3f\t%.3f\n", r.What, r.Fit.Samples, r.Fit.Distribution, r.Fit.Distance, r.Fit.Critical)
	}
	err = w.Flush()
	_, _ = fmt.Fprintf(env.stdout, "%d requests of %d runs; written to %s\n", result.Requests, len(runs), out)
	return err
}

func writeTopology(path string, doc *topology.Document) error {
	text, err := topologyText(doc)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// topologyText is a topology as a file.
func topologyText(doc *topology.Document) ([]byte, error) {
	var text bytes.Buffer
	e := yaml.NewEncoder(&text)
	e.SetIndent(2)
	err := errors.Join(e.Encode(doc), e.Close())
	return text.Bytes(), err
}

func readTopology(path string) (*topology.File, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	f, problems := topology.Parse(config.File{Name: path, Data: data})
	return f, problems.Err()
}
