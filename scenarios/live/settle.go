package live

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/query"
)

// settlePoll is how often proxies are asked whether they are done.
const settlePoll = 10 * time.Millisecond

// settle waits until everything that was sent is accounted for: the gateway logged every request, no proxy has a request in
// flight, and every proxy's log entries and spans have arrived. What is missing at the deadline becomes a gap.
func (r *runner) settle(ctx context.Context) {
	timeout := settleTimeout
	for _, l := range r.file.Spec.Load {
		if d := l.Timeout.D(); d > 0 {
			timeout = max(timeout, d+2*time.Second)
		}
	}
	if len(r.file.Spec.Load) > 0 {
		timeout = max(timeout, 10*time.Second)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var ids []string
	for _, res := range r.results {
		// A connection over TCP carries no id: it is counted below.
		if res.Status == 0 && r.tlsLoads[res.Load] {
			continue // who is refused by TLS never sent a request; and a refusal may show as a reset
		}
		if res.Err != loadgen.ErrRefused && res.Err != loadgen.ErrCanceled && !r.tcpLoads[res.Load] {
			ids = append(ids, res.RequestID)
		}
	}
	if missing := r.observed.Ledger.Wait(ctx, ids, r.entries...); len(missing) > 0 {
		r.run.Gaps = append(r.run.Gaps, fmt.Sprintf("the log of the proxy that took the load lacks %d of %d requests", len(missing), len(ids)))
	}
	counted := map[string]platform.Traffic{}
	if busy := until(ctx, func(ctx context.Context) string { return r.unsettled(ctx, counted) }); busy != "" {
		r.run.Gaps = append(r.run.Gaps, "telemetry did not settle: "+busy)
	}
}

// until asks again and again until nothing is left, or the context ends: then it gives what still is.
func until(ctx context.Context, left func(context.Context) string) string {
	for {
		what := left(ctx)
		if what == "" {
			return ""
		}
		select {
		case <-ctx.Done():
			return what
		case <-time.After(settlePoll):
		}
	}
}

// unsettled says what is still missing, or "". Counted is what the proxies had counted when all were idle for the first time: all that the loads
// led to. Health checks go on and on.
func (r *runner) unsettled(ctx context.Context, counted map[string]platform.Traffic) string {
	busy, sent := r.busy(ctx, r.lab.Instances(), counted)
	if busy != "" {
		return busy
	}
	if spans := uint64(r.observed.SpanCount()); spans < sent {
		return fmt.Sprintf("%d of %d spans have arrived", spans, sent)
	}
	return ""
}

// busy says which proxy has something in flight or has not reported everything, or "" and how many spans they sent: none of a
// request that is not sampled, as of a mirror's copy. Once all are idle at a time, what they have counted is kept in counted, and what comes
// afterwards is left out; nil leaves nothing out.
func (r *runner) busy(ctx context.Context, list []*platform.Instance, counted map[string]platform.Traffic) (what string, spans uint64) {
	logged, connections := r.observed.Ledger.Counts(), r.observed.Ledger.Connections()
	now, idle := map[string]platform.Traffic{}, true
	for _, i := range list {
		t, err := platform.TrafficOf(ctx, i)
		if err != nil {
			continue // a proxy that is gone cannot report any more; its loss was noted when it was ended
		}
		now[i.ID()] = t
		idle = idle && t.Active == 0
	}
	switch {
	case len(counted) > 0:
		now = counted
	case counted != nil && idle:
		maps.Copy(counted, now)
	}
	for _, i := range list {
		t, reports := now[i.ID()]
		if !reports {
			continue
		}
		if what := t.Pending(i.Name, logged[i.ID()], connections[i.ID()]); what != "" {
			return what, 0
		}
		spans += t.Spans
	}
	return "", spans
}

// collect moves everything into the record, and asks the metrics.
func (r *runner) collect(ctx context.Context) error {
	r.mu.Lock()
	r.run.Results = r.results
	r.mu.Unlock()
	r.run.Hops = r.hopsFrom(0)
	r.run.Spans = r.observed.Spans.All()
	for i, h := range r.happenings {
		if h.evidence == nil {
			continue
		}
		e := &r.run.Events[i]
		if e.Until == 0 {
			e.Until = r.file.End()
		}
		e.Evidence, e.Missing = h.evidence(*e)
	}
	return query.Answer(ctx, r.run, query.Options{Dir: filepath.Join(r.opts.Dir, "metrics"), Lead: plan.Lead, End: r.file.End()})
}
