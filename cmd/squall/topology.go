package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/loadgen/pace"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/mesh/sim/des"
	"github.com/squallmesh/squall/mesh/sim/topology"
)

// topologyFlags are those of sim topology.
type topologyFlags struct {
	rate     string
	duration time.Duration
	service  string
	seed     uint64
	budget   uint64
}

// eventsPerCall is about how many events a call between two services takes; with queues and retries it is more.
const eventsPerCall = 9

func newTopologyCommand(env *environment) *cobra.Command {
	var f topologyFlags
	c := &cobra.Command{
		Use:   "topology FILE",
		Short: "Simulate a graph of services under a load",
		Long: `Simulate a graph of services under a load in virtual time, and print what its callers saw.

The file has services that call each other: one of squall's own (kind: Topology), what squall sim calibrate wrote from a
recorded run, or a service graph of isotope's. Requests come at random times (Poisson) to the services that nobody calls,
to each at the same rate, or to the one named.`,
		Example: "  squall sim topology --rate 200/s --duration 5m graph.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := readTopology(args[0])
			if err == nil && len(t.Graph.Services) == 0 {
				err = fmt.Errorf("%s has no services: write spec.services, or take a file of squall sim calibrate", args[0])
			}
			if err != nil {
				return invalid(err)
			}
			return f.simulate(c.Context(), env, t)
		},
	}
	c.Flags().StringVar(&f.rate, "rate", "100/s", "requests to each entry")
	c.Flags().DurationVar(&f.duration, "duration", time.Minute, "virtual time of the load")
	c.Flags().StringVar(&f.service, "service", "", "the service that is called; empty is all that nobody calls")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of everything that is drawn")
	c.Flags().Uint64Var(&f.budget, "events", 1_000_000_000, "how many events the simulation may have")
	return c
}

// entries are the places of the services that are called from outside.
func (f *topologyFlags) entries(t *topology.Topology) ([]int, error) {
	called := map[int]bool{}
	var out []int
	for i, s := range t.Services {
		if s.Name == f.service {
			return []int{i}, nil
		}
		for _, to := range s.Calls {
			called[to] = true
		}
	}
	if f.service != "" {
		return nil, fmt.Errorf("--service %s: there is no such service", f.service)
	}
	for i := range t.Services {
		if !called[i] {
			out = append(out, i)
		}
	}
	return out, nil
}

func (f *topologyFlags) simulate(ctx context.Context, env *environment, file *topology.File) error {
	graph := &file.Graph
	rate, err := pace.ParseRate(f.rate)
	if err != nil {
		return invalid(fmt.Errorf("--rate: %w", err))
	}
	entries, err := f.entries(graph)
	if f.duration <= 0 {
		err = errors.Join(err, fmt.Errorf("--duration %s: it must be above 0", f.duration))
	}
	if err != nil {
		return invalid(err)
	}
	perSecond := float64(rate.Count) / rate.Per.Seconds()
	calls := 0.
	for _, i := range entries {
		calls += graph.Hops(i) * perSecond
	}
	if events := calls * f.duration.Seconds() * eventsPerCall; events > float64(f.budget) {
		return invalid(fmt.Errorf("--rate %s for %s leads to some %.3g events (%.0f calls a second), and %.3g are allowed: take a lower rate, a shorter time, or more --events",
			f.rate, f.duration, events, calls, float64(f.budget)))
	}
	debug.SetGCPercent(simGC)
	m, err := graph.Mesh(sim.Options{Seed: f.seed, Budget: f.budget, Times: &file.Times})
	if err != nil {
		return invalid(err)
	}
	var latencies []time.Duration
	failed := 0
	for _, i := range entries {
		p := pace.NewPoisson(rate, f.seed, graph.Services[i].Name)
		m.AddLoad(&sim.Load{
			Proxy: topology.Client, Message: graph.Request(i), Timeout: time.Minute,
			Due: func(n uint64) (time.Duration, bool) { at := p.Due(n); return at, at < f.duration },
			Done: func(v sim.Visit) {
				if m.Answer(v.Answer).Status == 200 {
					latencies = append(latencies, v.End-v.Due)
				} else {
					failed++
				}
			},
		})
	}
	before := time.Now()
	err = m.Run(f.duration+time.Minute, func() bool { return ctx.Err() != nil })
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, des.ErrBudget):
		return broken(fmt.Errorf("after %s of virtual time: %w: the load may be more than the services can serve", m.Now().Round(time.Millisecond), err))
	case err != nil:
		return broken(err)
	}
	slices.Sort(latencies)
	_, _ = fmt.Fprintf(env.stdout, "%d services, %.0f calls a second for %s of virtual time: %d events in %.2fs\n",
		len(graph.Services), calls, f.duration, m.Events(), time.Since(before).Seconds())
	if len(latencies) == 0 {
		_, _ = fmt.Fprintf(env.stdout, "no request of %d was answered 200\n", failed)
		return &exitError{code: exitFail}
	}
	at := func(share float64) time.Duration {
		return latencies[int(share*float64(len(latencies)-1))].Round(time.Microsecond)
	}
	_, _ = fmt.Fprintf(env.stdout, "requests %d, failed %d; p50 %s, p90 %s, p99 %s, max %s\n", len(latencies)+failed, failed, at(.5), at(.9), at(.99), at(1))
	return nil
}
