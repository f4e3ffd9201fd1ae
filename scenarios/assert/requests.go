package assert

import (
	"fmt"
	"slices"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// requests judges calls between workloads by the logs of the callers' proxies.
func requests(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	q := c.Requests
	hops := r.HopsWithin(p)
	isCall := func(h telemetry.Hop) bool { return h.Direction != telemetry.Inbound && fromTo(r, q, h) }
	matches := func(h telemetry.Hop) bool { return isCall(h) && fits(r, q, h) }
	matching, calls := 0, 0
	for _, h := range hops {
		if isCall(h) {
			calls++
		}
		if matches(h) {
			matching++
		}
	}
	who := fmt.Sprintf("calls %s -> %s", orAny(q.From), orAny(q.To))
	if calls == 0 {
		if c.Share == nil && c.Count != nil && c.Count.Op == "==" && c.Count.Value == 0 && len(hops) > 0 && known(r, q.From) && known(r, q.To) {
			// That nobody called is an answer, as long as others called and both are there to call and be called.
			return compare("number of "+who, *c.Count, 0, len(hops))
		}
		return inconclusive("there were no %s in phase %s", who, p.Name)
	}
	var out []outcome
	if c.Share != nil {
		out = append(out, compare("share of "+describe(q, who), *c.Share, part(*c.Share, matching, calls), calls))
	}
	if c.Count != nil {
		o := compare("number of "+describe(q, who), *c.Count, float64(matching), calls)
		if o.verdict == record.Fail {
			before, after := atEdges(r, p, matches)
			o = onTheEdge(o, p, before, after, func(more int) bool { return c.Count.Holds(float64(matching + more)) })
		}
		out = append(out, o)
	}
	return join(out)
}

// known reports whether a name means a workload of the run. A misspelt one is never called either.
func known(r *record.Run, name string) bool {
	return slices.ContainsFunc(r.Workloads, func(w record.Workload) bool { return w.Is(name) })
}

func orAny(s string) string {
	if s == "" {
		return "anyone"
	}
	return s
}

func describe(q *spec.Requests, who string) string {
	if q.Flags != "" {
		who += " with flag " + q.Flags
	}
	if q.NoFlags {
		who += " without flags"
	}
	if q.Status != 0 {
		who += fmt.Sprintf(" with status %d", q.Status)
	}
	if q.Attempts != 0 {
		who += fmt.Sprintf(" with %d attempts", q.Attempts)
	}
	if q.Version != "" {
		who += " answered by version " + q.Version
	}
	return who
}

func fromTo(r *record.Run, q *spec.Requests, h telemetry.Hop) bool {
	if q.From != "" {
		w, ok := r.WorkloadOf(h.Proxy)
		if !ok || !w.Is(q.From) {
			return false
		}
	}
	if q.To == "" {
		return true
	}
	if w, ok := r.WorkloadAt(h.UpstreamAddress); ok && w.Is(q.To) {
		return true
	}
	return h.To(q.To)
}

func fits(r *record.Run, q *spec.Requests, h telemetry.Hop) bool {
	if q.Flags != "" && !h.HasFlag(q.Flags) || q.NoFlags && len(h.Flags) > 0 ||
		q.Status != 0 && h.Status != q.Status || q.Attempts != 0 && h.Attempts != q.Attempts {
		return false
	}
	if q.Version != "" {
		w, ok := r.WorkloadAt(h.UpstreamAddress)
		return ok && w.Labels["version"] == q.Version
	}
	return true
}
