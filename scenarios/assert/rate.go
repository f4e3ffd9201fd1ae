package assert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
	"github.com/squallmesh/squall/scenarios/stat"
)

// rate tests the share of one outcome, of requests or of calls between workloads.
func rate(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	k, t := c.Rate, declared(r, &c)
	results := due(r, p, k.Load)
	if len(results) == 0 {
		return lacking(t, "load %s sent nothing in phase %s", orAny(k.Load), p.Name)
	}
	var hits []bool
	what := "share of " + outcomeOf(k.Answer)
	if k.Traced {
		what = "share of traced requests"
	}
	if k.From != "" || k.To != "" {
		who := fmt.Sprintf("calls %s -> %s", orAny(k.From), orAny(k.To))
		for _, call := range calls(r, results, &spec.Requests{From: k.From, To: k.To}) {
			hits = append(hits, (k.Status == nil || call.hop.Status == *k.Status) && (k.Flags == "" || call.hop.HasFlag(k.Flags)))
		}
		if len(hits) == 0 {
			return lacking(t, "there were no %s in phase %s", who, p.Name)
		}
		what = "share of " + who
		if k.Flags != "" {
			what += " with flag " + k.Flags
		}
		if k.Status != nil {
			what += fmt.Sprintf(" with status %d", *k.Status)
		}
	} else {
		kept, spanned := false, traced(r, k)
		for i := range results {
			hits = append(hits, matches(k.Answer, &results[i]) && (!k.Traced || spanned[results[i].TraceID]))
			kept = kept || results[i].Value != ""
		}
		if k.Value != "" && !kept {
			return lacking(t, "load %s kept no value of any answer in phase %s", k.Load, p.Name)
		}
	}
	test := k.Test(t.Errors)
	decision, n := stat.Open, len(hits)
	if k.Sequential {
		running := test.Sequential()
		for _, yes := range hits {
			if running.Add(hit(yes)) != stat.Open {
				break
			}
		}
		decision, n = running.End(), running.Taken()
		t.DecidedAt = at(decision, n)
	}
	x := 0
	for _, yes := range hits[:n] {
		if yes {
			x++
		}
	}
	if !k.Sequential {
		decision = test.Judge(x, n)
	}
	ci := interval(what, percent, share(x, n), test.Interval(x, n), 100)
	t.Intervals = []record.Interval{ci}
	o := decided(t, decision, n, fmt.Sprintf("%s is %d of %d (%.2f%%), wanted %g%% within %g points", what, x, n, 100*share(x, n), k.Want, k.Tolerance))
	o.measured, o.want = what+" "+within(ci), fmt.Sprintf("%g%% within %g points", k.Want, k.Tolerance)
	return o
}

// traced are the traces of which proxies recorded spans, by the ids that came with the requests; nil for a rate that does not ask. A tracer
// that began a trace of its own still knows the request's id.
func traced(r *record.Run, k *spec.Rate) map[string]bool {
	if !k.Traced {
		return nil
	}
	byRequest := map[string]string{}
	for i := range r.Results {
		byRequest[telemetry.RequestKey(r.Results[i].RequestID)] = r.Results[i].TraceID
	}
	out := map[string]bool{}
	for i := range r.Spans {
		s := &r.Spans[i]
		out[s.TraceID] = true
		if id := s.Tags["guid:x-request-id"]; id != "" {
			out[byRequest[telemetry.RequestKey(id)]] = true
		}
	}
	return out
}

// outcomeOf describes what came back.
func outcomeOf(a spec.Answer) string {
	var out []string
	if a.Success {
		out = append(out, "successes")
	}
	if a.Status != nil {
		out = append(out, fmt.Sprintf("status %d", *a.Status))
	}
	if a.Value != "" {
		out = append(out, fmt.Sprintf("value %q", a.Value))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		out = append(out, fmt.Sprintf("%s: %s", name, a.Headers[name]))
	}
	return strings.Join(out, " and ")
}
