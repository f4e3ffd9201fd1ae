// Package query answers the checks of a run that ask its metrics.
package query

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/istio"
	"github.com/squallmesh/squall/mesh/telemetry/promql"
	"github.com/squallmesh/squall/scenarios/record"
)

// grid is how often series are sampled besides the edges of phases, for queries that look at values in between.
const grid = time.Second

// Options say when series of a run are sampled.
type Options struct {
	// Dir takes the series; it is empty.
	Dir string
	// Lead is how long before the first request the series begin, End when the load is over, from t = 0.
	Lead, End time.Duration
}

// Answer answers the checks that ask the metrics. Series are made from the access logs after the run: each begins at 0 and
// has a sample at both edges of each phase, and a call counts in the phase of the request that caused it.
func Answer(ctx context.Context, run *record.Run, o Options) error {
	asks := false
	for _, c := range run.Scenario.Spec.Checks {
		asks = asks || c.PromQL != ""
	}
	if !asks {
		return nil
	}
	store, err := promql.Open(o.Dir, promql.Options{})
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	defer func() { _ = store.Close() }()
	if err := fill(store, run, o); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	run.PromQL = map[int]record.QueryResult{}
	for i, c := range run.Scenario.Spec.Checks {
		if c.PromQL == "" {
			continue
		}
		res := record.QueryResult{Query: c.PromQL}
		if p, ok := run.Phase(c.Phase); !ok {
			res.Error = fmt.Sprintf("there was no phase %q", c.Phase)
		} else if v, err := store.Phase(ctx, c.PromQL, run.Start.Add(p.From), run.Start.Add(p.To)); err != nil {
			res.Error = err.Error()
		} else {
			for _, s := range v.Series {
				for _, sample := range s.Samples {
					if math.IsNaN(sample.Value) || math.IsInf(sample.Value, 0) {
						res.Error = fmt.Sprintf("a sample %s is %g, which is no measurement (a division by 0?)", labelText(s.Labels), sample.Value)
						continue
					}
					res.Samples = append(res.Samples, record.Sample{Labels: labelText(s.Labels), Value: sample.Value})
				}
			}
		}
		run.PromQL[i] = res
	}
	return nil
}

// fill makes the series.
func fill(store *promql.Store, run *record.Run, o Options) error {
	peer := func(w record.Workload) istio.Peer {
		return istio.PeerOf(w.Owner, w.Namespace, w.Labels)
	}
	metrics := istio.New(istio.Options{
		Peers: func(address string) (istio.Peer, bool) {
			w, ok := run.WorkloadAt(address)
			return peer(w), ok
		},
		Proxies: func(node string) (istio.Peer, bool) {
			w, ok := run.WorkloadOf(node)
			return peer(w), ok
		},
	})
	scheduled := map[string]time.Time{}
	for _, res := range run.Results {
		scheduled[res.TraceID] = res.Scheduled
	}
	type counted struct {
		at  time.Time
		hop telemetry.Hop
	}
	hops := make([]counted, 0, len(run.Hops))
	for _, h := range run.Hops {
		at, ok := scheduled[h.TraceID]
		if !ok {
			at = h.Time
		}
		hops = append(hops, counted{at, h})
		metrics.Start(h)
	}
	slices.SortStableFunc(hops, func(a, b counted) int { return a.at.Compare(b.at) })

	edges := []time.Duration{-run.Warmup - o.Lead}
	for at := time.Duration(0); at <= o.End; at += grid {
		edges = append(edges, at)
	}
	for _, p := range run.Phases {
		edges = append(edges, p.From, p.To)
	}
	slices.SortFunc(edges, func(a, b time.Duration) int { return cmp.Compare(a, b) })
	n, last := 0, time.Time{}
	for _, e := range edges {
		at := run.Start.Add(e)
		for ; n < len(hops) && hops[n].at.Before(at); n++ {
			metrics.Add(hops[n].hop)
		}
		// The store counts in milliseconds and takes one value in each.
		if at.Truncate(time.Millisecond).Equal(last) {
			continue
		}
		last = at.Truncate(time.Millisecond)
		if err := store.Append(metrics.Sample(last)); err != nil {
			return err
		}
	}
	return nil
}

// labelText writes labels as people know them: {a="b", c="d"}.
func labelText(l telemetry.Labels) string {
	if len(l) == 0 {
		return ""
	}
	pairs := make([]string, len(l))
	for i, one := range l {
		pairs[i] = fmt.Sprintf("%s=%q", one.Name, one.Value)
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}
