package assert

import (
	"fmt"
	"math"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
	"github.com/squallmesh/squall/scenarios/stat"
)

// declared begins the outcome of a check with error rates: what it declares, and how many samples that needs. Nil for others.
func declared(r *record.Run, c *spec.Check) *record.Test {
	if c.Declared() == nil {
		return nil
	}
	e := r.Scenario.ErrorsOf(c)
	return &record.Test{Errors: e, Needed: c.Needed(e)}
}

// decided makes an outcome of a decision: finding says in one sentence what was found and what was wanted, n is the size of the sample.
func decided(t *record.Test, d stat.Decision, n int, finding string) outcome {
	o := outcome{samples: n, reason: finding, test: t}
	switch d {
	case stat.Pass:
		o.verdict = record.Pass
	case stat.Fail:
		o.verdict = record.Fail
	case stat.Open:
		o.verdict = record.Inconclusive
		switch {
		case t.Needed == 0:
			o.reason += fmt.Sprintf("; %d samples cannot tell at the stated error rates, and no number can", n)
		case n < t.Needed:
			o.reason += fmt.Sprintf("; %d samples cannot tell at the stated error rates, which need %d", n, t.Needed)
		default:
			o.reason += fmt.Sprintf("; %d samples cannot tell at the stated error rates: it is neither clearly within nor clearly off", n)
		}
	}
	return o
}

// lacking is an outcome without evidence that yet says what was declared.
func lacking(t *record.Test, format string, args ...any) outcome {
	o := inconclusive(format, args...)
	o.test = t
	return o
}

// The units of intervals.
const (
	percent  = "%"
	seconds  = "s"
	points   = "points"
	times    = "times"
	attempts = "attempts"
)

// interval makes a record of an interval. scale turns the test's unit into the record's.
func interval(of, unit string, value float64, i stat.Interval, scale float64) record.Interval {
	number := func(v float64) *float64 {
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil
		}
		v *= scale
		return &v
	}
	return record.Interval{Of: of, Unit: unit, Value: number(value), Low: number(i.Low), High: number(i.High)}
}

// within writes an interval: 79.2% in 78.1% to 80.3%.
func within(i record.Interval) string {
	out := fmt.Sprintf("%s in %s to %s", amount(i.Value, i.Unit, "none"), amount(i.Low, i.Unit, "anything"), amount(i.High, i.Unit, "anything"))
	if i.Unit == points || i.Unit == times {
		out += " " + i.Unit
	}
	return out
}

func amount(v *float64, unit, missing string) string {
	if v == nil {
		return missing
	}
	switch unit {
	case percent:
		return fmt.Sprintf("%.4g%%", *v)
	case seconds:
		return time.Duration(*v * 1e9).Round(10 * time.Microsecond).String()
	}
	return fmt.Sprintf("%.4g", *v)
}
