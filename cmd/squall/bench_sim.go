package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/squallmesh/squall/mesh/sim/des/hold"
)

const (
	simPending = 10_000
	// simRounds of simEvents each are measured: long enough for a system that counts processor time in ticks of some milliseconds.
	simRounds, simEvents = 15, 3_000_000
)

// sim measures the simulator: its kernel by itself, and meshes on it.
func (b *bench) sim(ctx context.Context) error {
	for _, measure := range []func(context.Context) error{b.simKernel, b.simPages, b.simThousand, b.simMemory} {
		if err := measure(ctx); err != nil {
			return err
		}
		runtime.GC() // what one part left is not the next one's
	}
	return nil
}

// simKernel measures the kernel by itself.
func (b *bench) simKernel(ctx context.Context) error {
	m := hold.New(simPending, 1)
	m.Run(simEvents)
	runtime.GC() // what other parts left is not the kernel's
	var rates []float64
	for range simRounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		before := processorTime()
		m.Run(simEvents)
		rates = append(rates, simEvents/(processorTime()-before).Seconds())
	}
	slices.Sort(rates)
	b.add("sim.kernel_events_per_second", median(rates), "1/s", fmt.Sprintf(
		"hold model, %d pending events, per second of processor time; median of %d rounds, the best %.1f million; target: at least 20 million",
		simPending, simRounds, rates[len(rates)-1]/1e6))
	return nil
}
