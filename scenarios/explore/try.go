package explore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/scenarios/record"
)

// try runs candidates, several at a time. Outcomes come in the order of the candidates.
func (s *search) try(ctx context.Context, list [][]Fault) []outcome {
	out := make([]outcome, len(list))
	var g errgroup.Group
	g.SetLimit(max(1, s.o.Parallel))
	for i, faults := range list {
		g.Go(func() error {
			run, err := s.o.Run(ctx, faults)
			out[i] = outcome{faults, run, err}
			return nil
		})
	}
	_ = g.Wait() // outcomes have their errors
	s.report.Runs += len(list)
	return out
}

// learn notes what a run showed, and tells whether any of it is new.
func (s *search) learn(o outcome) (fresh bool) {
	for _, sign := range signs(o.run) {
		if !s.known[sign] {
			s.known[sign] = true
			fresh = true
		}
	}
	return fresh
}

// signs are the behaviours of a run: for each pair of workloads the statuses and flags of their calls, and for each request of a load which
// calls it led to, how often.
func signs(run *record.Run) []string {
	seen := map[string]bool{}
	traces := map[string][]string{}
	for i := range run.Hops {
		h := &run.Hops[i]
		call := h.Workload + " " + h.Cluster + " " + fmt.Sprint(h.Status) + " " + h.FlagString()
		seen[call] = true
		traces[h.TraceID] = append(traces[h.TraceID], call)
	}
	for _, calls := range traces { // into a set
		slices.Sort(calls)
		seen[strings.Join(calls, "\n")] = true
	}
	var out []string
	for sign := range seen {
		out = append(out, sign)
	}
	slices.Sort(out)
	return out
}

// evidence says which calls had statuses and flags that none had without faults, the most frequent first.
func (s *search) evidence(run *record.Run) []string {
	count := func(r *record.Run) (map[string]int, []string) {
		n := map[string]int{}
		var order []string
		for i := range r.Hops {
			h := &r.Hops[i]
			to := h.Cluster
			if host, _, ok := strings.Cut(to[strings.LastIndexByte(to, '|')+1:], "."); ok {
				to = host
			}
			if to == "" || strings.HasPrefix(h.Cluster, "inbound|") {
				continue // the callers say it
			}
			key := fmt.Sprintf("%s → %s: status %d", h.Workload, to, h.Status)
			if flags := h.FlagString(); flags != "-" && flags != "" {
				key += ", flags " + flags
			}
			if n[key] == 0 {
				order = append(order, key)
			}
			n[key]++
		}
		return n, order
	}
	before, _ := count(s.base)
	now, order := count(run)
	var out []string
	slices.SortStableFunc(order, func(a, b string) int { return now[b] - now[a] })
	for _, key := range order {
		if before[key] == 0 && len(out) < mostEvidence {
			out = append(out, fmt.Sprintf("%s (%d times)", key, now[key]))
		}
	}
	return out
}

// mostEvidence is how many lines people read.
const mostEvidence = 6
