package live

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/proc"
	"github.com/squallmesh/squall/scenarios/record"
)

// strainEvery is how often it is asked who waited for a processor.
const strainEvery = 100 * time.Millisecond

const thisProgram = "squall itself"

// waiting is a deployment that can tell how long threads of its workloads' processes had no processor though they were ready to run.
type waiting interface {
	Waited() map[string]map[string]time.Duration
}

// watchStrain notes when processes of the deployment, or this one, had to wait for a processor.
func (r *runner) watchStrain(ctx context.Context) error {
	lab, _ := r.lab.(waiting)
	tick := time.NewTicker(strainEvery)
	defer tick.Stop()
	begin := r.since()
	last, from := map[string]time.Duration{}, begin
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		worst := record.Strain{From: from, To: r.since()}
		now := map[string]time.Duration{}
		look := func(who, thread string, waited time.Duration) {
			now[thread] = waited
			// The kernel's account leaps now and then, where the clocks of processors differ: nobody can have waited since before the begin.
			if before, ok := last[thread]; ok && waited-before > worst.Waited && waited-before <= worst.To-begin {
				worst.Who, worst.Waited = who, waited-before
			}
		}
		var all map[string]map[string]time.Duration
		if lab != nil {
			all = lab.Waited()
		}
		for _, who := range slices.Sorted(maps.Keys(all)) {
			for thread, waited := range all[who] {
				look(who, thread, waited)
			}
		}
		for thread, waited := range proc.Waited(os.Getpid()) {
			look(thisProgram, strconv.Itoa(thread), waited)
		}
		if worst.Waited >= record.LeastStrain {
			r.mu.Lock()
			r.run.Strains = append(r.run.Strains, worst)
			r.mu.Unlock()
		}
		last, from = now, worst.To
	}
}

// strained is a deployment whose workloads' waits are known where they are, and told afterwards.
type strained interface {
	Strained(ctx context.Context, since time.Time) []platform.Strain
}

// tellStrain notes the longest wait, which a reader of latencies wants to know of.
func (r *runner) tellStrain(ctx context.Context) {
	if lab, ok := r.lab.(strained); ok {
		for _, s := range lab.Strained(ctx, r.t0.Add(-r.run.Warmup)) {
			r.run.Strains = append(r.run.Strains, record.Strain{From: s.From.Sub(r.t0), To: s.To.Sub(r.t0), Who: s.Who, Waited: s.Waited})
		}
	}
	var worst record.Strain
	for _, s := range r.run.Strains {
		if s.To > 0 && s.Waited > worst.Waited {
			worst = s
		}
	}
	if worst.Waited > 0 {
		r.note(fmt.Sprintf("longest wait for a processor: %s of %s, %s at %s; %d such moments in all", worst.Waited.Round(time.Millisecond),
			(worst.To - worst.From).Round(time.Millisecond), worst.Who, worst.From.Round(time.Millisecond), len(r.run.Strains)))
	}
}
