// Package compare says what changed between two runs of a scenario, with intervals: a pure function of two records.
package compare

import (
	"fmt"
	"slices"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/stat"
)

// What counts as a change. An interval that does not lie beyond these on one side shows none.
const (
	// ShareLimit is how far apart two shares of success may lie, 0.005 being half a percentage point.
	ShareLimit = 0.005
	// LatencyLimit is how many times one quantile of latency may be the other, and LatencyLeast how far apart the two measured ones
	// must be for a difference to matter.
	LatencyLimit = 1.25
	LatencyLeast = 5 * time.Millisecond
	// errorRate is the chance that one interval is wrong on one side.
	errorRate = 0.0005
)

// quantiles of latency that are compared.
var quantiles = []float64{0.5, 0.95, 0.99}

// Change says what a row shows.
type Change string

// The changes. Unknown: too few requests to tell; the intervals are as wide as the limits.
const (
	Same    Change = "same"
	Better  Change = "better"
	Worse   Change = "worse"
	Unknown Change = "unknown"
)

// Row compares one measure of one load in one phase.
type Row struct {
	Load  string `json:"load"`
	Phase string `json:"phase"`
	// Measure is success, p50, p95 or p99.
	Measure string `json:"measure"`
	// Before and After are shares from 0 to 1, or latencies in seconds.
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// Low and High hold, with an error rate of 0.0005 on each side, the difference of shares After-Before, or the quotient of
	// latencies After/Before.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Samples of both runs.
	SamplesBefore int    `json:"samplesBefore"`
	SamplesAfter  int    `json:"samplesAfter"`
	Change        Change `json:"change"`
}

// Check is a check of both runs.
type Check struct {
	Name   string         `json:"name"`
	Before record.Verdict `json:"before"`
	After  record.Verdict `json:"after"`
}

// Comparison is what changed.
type Comparison struct {
	Before record.Verdict `json:"before"`
	After  record.Verdict `json:"after"`
	// Checks whose verdicts differ; one that only one run has counts as inconclusive in the other.
	Checks []Check `json:"checks,omitempty"`
	Rows   []Row   `json:"rows"`
}

// Runs compares two judged runs.
func Runs(before, after *record.Run) Comparison {
	c := Comparison{Before: before.Verdict, After: after.Verdict, Checks: checks(before, after), Rows: []Row{}}
	for _, l := range after.Scenario.Spec.Load {
		for _, p := range after.Phases {
			old, ok := before.Phase(p.Name)
			if !ok {
				continue
			}
			a, b := before.Within(old, l.Name), after.Within(p, l.Name)
			if len(a) == 0 || len(b) == 0 {
				continue
			}
			c.Rows = append(c.Rows, rows(l.Name, p.Name, a, b)...)
		}
	}
	return c
}

// Regression is the first thing that got worse, in one sentence; empty if nothing did.
func (c Comparison) Regression() string {
	rank := map[record.Verdict]int{record.Pass: 0, record.Inconclusive: 1, record.Fail: 2, record.Error: 3}
	if rank[c.After] > rank[c.Before] {
		return fmt.Sprintf("the verdict was %s and is %s", c.Before, c.After)
	}
	for _, r := range c.Rows {
		if r.Change == Worse {
			return r.String()
		}
	}
	return ""
}

// String says a row in one sentence.
func (r Row) String() string {
	if r.Measure == "success" {
		return fmt.Sprintf("success of %s in phase %s was %.2f%% and is %.2f%% (%+.2f to %+.2f points)",
			r.Load, r.Phase, 100*r.Before, 100*r.After, 100*r.Low, 100*r.High)
	}
	return fmt.Sprintf("%s of %s in phase %s was %s and is %s (%.2f to %.2f times)", r.Measure, r.Load, r.Phase, text(r.Before), text(r.After), r.Low, r.High)
}

func text(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(10 * time.Microsecond).String()
}

func checks(before, after *record.Run) []Check {
	old := map[string]record.Verdict{}
	for _, c := range before.Checks {
		old[c.Name+" "+c.Phase] = c.Verdict
	}
	var out []Check
	for _, c := range after.Checks {
		was, ok := old[c.Name+" "+c.Phase]
		if !ok {
			was = record.Inconclusive
		}
		if was != c.Verdict {
			out = append(out, Check{Name: c.Name, Before: was, After: c.Verdict})
		}
	}
	return out
}

func rows(load, phase string, a, b []loadgen.Result) []Row {
	row := func(measure string, before, after float64, i stat.Interval, change Change) Row {
		return Row{
			Load: load, Phase: phase, Measure: measure, Before: before, After: after, Low: i.Low, High: i.High,
			SamplesBefore: len(a), SamplesAfter: len(b), Change: change,
		}
	}
	goodA, goodB := good(a), good(b)
	shares := stat.CompareShares{Tolerance: ShareLimit, Errors: stat.Errors{FalsePass: 2 * errorRate, FalseFail: 4 * errorRate}}
	i := shares.Interval(goodB, len(b), goodA, len(a))
	out := []Row{row("success", share(goodA, len(a)), share(goodB, len(b)), i, moved(i, stat.Interval{Low: -ShareLimit, High: ShareLimit}, Better, Worse))}
	la, lb := latencies(a), latencies(b)
	if len(la) == 0 || len(lb) == 0 {
		return out
	}
	for _, q := range quantiles {
		test := stat.CompareQuantiles{Q: q, Ratio: LatencyLimit, Errors: stat.Errors{FalsePass: 2 * errorRate, FalseFail: 4 * errorRate}}
		i := test.Interval(lb, la)
		before, after := at(la, q), at(lb, q)
		change := moved(i, stat.Interval{Low: 1 / LatencyLimit, High: LatencyLimit}, Worse, Better)
		if d := after - before; (change == Worse || change == Better) && d < LatencyLeast.Seconds() && -d < LatencyLeast.Seconds() {
			change = Same
		}
		out = append(out, row(fmt.Sprintf("p%g", 100*q), before, after, i, change))
	}
	return out
}

// moved says on which side of the limits an interval lies: above, below, within, or on both sides of one.
func moved(i, limits stat.Interval, above, below Change) Change {
	switch {
	case i.Low > limits.High:
		return above
	case i.High < limits.Low:
		return below
	case i.Low > limits.Low && i.High < limits.High:
		return Same
	}
	return Unknown
}

func good(list []loadgen.Result) int {
	n := 0
	for i := range list {
		if list[i].Succeeded() {
			n++
		}
	}
	return n
}

func share(n, of int) float64 { return float64(n) / float64(of) }

// latencies of what was answered, in seconds, sorted.
func latencies(list []loadgen.Result) []float64 {
	var out []float64
	for _, r := range list {
		if r.Answered() {
			out = append(out, r.Latency().Seconds())
		}
	}
	slices.Sort(out)
	return out
}

func at(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
