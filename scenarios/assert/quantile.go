package assert

import (
	"fmt"
	"math"
	"strconv"

	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
	"github.com/squallmesh/squall/scenarios/stat"
)

// quantile tests a quantile of a load's latency from schedule.
func quantile(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	k, t := c.Quantile, declared(r, &c)
	results := due(r, p, k.Load)
	if len(results) == 0 {
		return lacking(t, "load %s sent nothing in phase %s", k.Load, p.Name)
	}
	sorted, test := latencies(results), k.Test(t.Errors)
	name := level(k.Q)
	ci := interval(name, seconds, observed(sorted, k.Q), test.Interval(sorted), 1e-9)
	t.Intervals = []record.Interval{ci}
	want := "below " + k.Below.String()
	if k.Below == 0 {
		want = fmt.Sprintf("%s within %s", k.Want, k.Margin)
	}
	o := decided(t, test.Judge(sorted), len(sorted), fmt.Sprintf("%s of load %s is %s, wanted %s", name, k.Load, within(ci), want))
	o.measured, o.want = name+" "+within(ci), want
	return o
}

// level names a quantile: p99 of 0.99.
func level(q float64) string { return "p" + strconv.FormatFloat(100*q, 'g', 6, 64) }

// observed is the quantile of a sorted sample: number ⌈q·n⌉ of n.
func observed(sorted []float64, q float64) float64 {
	rank := int(math.Ceil(q * float64(len(sorted)) * (1 - 1e-12)))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// beyond tells of a comparison of quantiles.
func beyond(t stat.CompareQuantiles, experiment, control []float64) (value float64, unit string, scale float64) {
	e, c := observed(experiment, t.Q), observed(control, t.Q)
	if t.Ratio > 0 {
		return e / c, times, 1
	}
	return e - c, seconds, 1e-9
}
