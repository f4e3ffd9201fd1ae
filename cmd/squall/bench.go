package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	loadbench "github.com/squallmesh/squall/loadgen/bench"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
)

// figure is one line of bench.jsonl.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Baseline is what Value is compared with, in the same unit, where there is such a thing.
	Baseline *float64 `json:"baseline,omitempty"`
	Note     string   `json:"note,omitempty"`
}

// benchParts are what bench measures, in the order in which it does.
var benchParts = []struct {
	name    string
	measure func(*bench, context.Context) error
}{
	{"xds", (*bench).xds},
	{"control", (*bench).control},
	{"barrier", (*bench).barrier},
	{"inplace", (*bench).inPlace},
	{"hosts", (*bench).hosts},
	{"ready", (*bench).ready},
	{"platform", (*bench).platforms},
	{"catalogue", (*bench).catalogue},
	{"loadgen", (*bench).loadgen},
	{"sim", (*bench).sim},
}

func benchNames() []string {
	var out []string
	for _, p := range benchParts {
		out = append(out, p.name)
	}
	return out
}

func newBenchCommand(env *environment) *cobra.Command {
	var out, envoyPath string
	var only []string
	b := &bench{env: env, stale: map[string]int{}}
	c := &cobra.Command{
		Use: "bench", Short: "Measure the lab: the barrier, its start, the load generator", Args: cobra.NoArgs,
		Long: `Measure the lab and print one JSON object per figure.

Counts that are wrong exit 1: a first request after the barrier that saw the old rule, or a control without the barrier
that saw none, which makes the measurement void. Times never do.`,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, name := range only {
				if !slices.Contains(benchNames(), name) {
					return invalid(fmt.Errorf("--only %s: there is %s", name, strings.Join(benchNames(), ", ")))
				}
			}
			if !slices.Equal(only, []string{"sim"}) { // which needs no Envoy
				var err error
				if b.binary, err = findEnvoy(c.Context(), env, envoyPath); err != nil {
					return err
				}
			}
			return b.run(c.Context(), out, only)
		},
	}
	c.Flags().StringVar(&out, "out", "", "file for the figures besides standard output")
	c.Flags().StringVar(&envoyPath, "envoy", "", "path of the Envoy to run")
	c.Flags().IntVar(&b.flips, "flips", 1000, "changes of each kind, per number of workers; slow kinds take a fraction")
	c.Flags().IntVar(&b.listenerFlips, "listener-flips", 2500, "listeners changed in place, per number of workers")
	c.Flags().StringSliceVar(&only, "only", nil, "measure these parts alone: "+strings.Join(benchNames(), ", "))
	return c
}

type bench struct {
	env    *environment
	binary envoy.Binary
	// form is what labs stand on; empty is loopback.
	form                 platform.Form
	flips, listenerFlips int
	figures              []figure
	wrong                []string
	// stale first requests by kind of change, and how many were sent in all.
	stale  map[string]int
	probes int
	// effective are the barrier's times in milliseconds, of kinds that have a target.
	effective []float64
}

func (b *bench) add(name string, value float64, unit, note string) {
	b.compare(name, value, unit, nil, note)
}

// compare is add for a figure that has a baseline.
func (b *bench) compare(name string, value float64, unit string, baseline *float64, note string) {
	f := figure{Name: name, Value: value, Unit: unit, Baseline: baseline, Note: note}
	b.figures = append(b.figures, f)
	line, _ := json.Marshal(f)
	_, _ = fmt.Fprintln(b.env.stdout, string(line))
}

func (b *bench) run(ctx context.Context, out string, only []string) error {
	for _, part := range benchParts {
		if len(only) > 0 && !slices.Contains(only, part.name) {
			continue
		}
		if err := part.measure(b, ctx); err != nil {
			return broken(fmt.Errorf("bench %s: %w", part.name, err))
		}
	}
	b.sumUp()
	if out != "" {
		if err := b.save(out); err != nil {
			return broken(err)
		}
	}
	if len(b.wrong) > 0 {
		return &exitError{exitFail, fmt.Errorf("wrong counts: %s", strings.Join(b.wrong, "; "))}
	}
	return nil
}

func (b *bench) save(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("folder for figures: %w", err)
	}
	var data []byte
	for _, f := range b.figures {
		line, err := json.Marshal(f)
		if err != nil {
			return fmt.Errorf("figure %s: %w", f.Name, err)
		}
		data = append(append(data, line...), '\n')
	}
	return os.WriteFile(path, data, 0o600)
}

// loadgen measures the load generator by itself.
func (b *bench) loadgen(ctx context.Context) error {
	load, err := loadbench.Measure(ctx)
	if err != nil {
		return err
	}
	b.add("loadgen.requests_per_second", load.RequestsPerSecond, "1/s", "load and handler share the machine")
	b.add("loadgen.p99_error_ratio", load.P99ErrorRatio, "ratio", "p99 from schedule over the computed one, less 1, with a stall of 1 s")
	return nil
}
