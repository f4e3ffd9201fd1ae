package assert

import (
	"fmt"

	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// amplification tests the mean number of attempts at a workload that a request leads to, over the requests that lead to any.
func amplification(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	k, t := c.Amplification, declared(r, &c)
	results := due(r, p, k.Load)
	if len(results) == 0 {
		return lacking(t, "load %s sent nothing in phase %s", k.Load, p.Name)
	}
	per := make([]int, len(results))
	for _, call := range calls(r, results, &spec.Requests{From: k.From, To: k.To}) {
		per[call.of] += call.hop.Attempts
	}
	n, sum, most, worst := 0, 0, 0, ""
	for i, a := range per {
		if a == 0 {
			continue
		}
		n, sum = n+1, sum+a
		if a > most {
			most, worst = a, results[i].TraceID
		}
	}
	who := fmt.Sprintf("attempts %s -> %s", orAny(k.From), k.To)
	if n == 0 {
		return lacking(t, "there were no %s in phase %s", who, p.Name)
	}
	test, mean := k.Test(t.Errors), float64(sum)/float64(n)
	want := fmt.Sprintf("%g within %g", k.Want, k.Tolerance)
	if most > k.Max {
		// The test's bounds hold for no more than Max; and more than that must never be.
		return outcome{
			verdict: record.Fail, samples: n, test: t, measured: fmt.Sprintf("%s %.4g, at most %d", who, mean, most), want: fmt.Sprintf("%s, never above %d", want, k.Max),
			reason: fmt.Sprintf("one request led to %d %s (trace %s), and no more than %d were to be", most, who, worst, k.Max),
		}
	}
	ci := interval(who, attempts, mean, test.Interval(mean, n), 1)
	t.Intervals = []record.Interval{ci}
	o := decided(t, test.Judge(mean, n), n, fmt.Sprintf("%d requests led to %d %s, %.4g each, wanted %s", n, sum, who, mean, want))
	o.measured, o.want = who+" "+within(ci), want
	return o
}
