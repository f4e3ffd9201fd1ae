package assert

import (
	"fmt"
	"slices"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
	"github.com/squallmesh/squall/scenarios/stat"
)

// comparison tests an experiment against the control that ran at the same time.
func comparison(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	k, t := c.Compare, declared(r, &c)
	experiment, control, why := sides(r, p, k)
	if why != "" {
		return lacking(t, "%s", why)
	}
	n := min(len(experiment), len(control))
	of := fmt.Sprintf("of %s (%d) against %s (%d)", k.Experiment, len(experiment), k.Control, len(control))
	if k.Q != 0 {
		test := k.Quantiles(t.Errors)
		e, c := latencies(experiment), latencies(control)
		value, unit, scale := beyond(test, e, c)
		ci := interval(level(k.Q), unit, value, test.Interval(e, c), scale)
		want := fmt.Sprintf("apart by less than %s", k.Margin)
		if k.Ratio > 0 {
			want = fmt.Sprintf("less than %g times apart", k.Ratio)
		}
		return compared(t, test.Judge(e, c), n, level(k.Q)+" "+of, ci, want)
	}
	test := k.Shares(t.Errors)
	xe, xc := count(experiment, k.Answer), count(control, k.Answer)
	pe, pc := share(xe, len(experiment)), share(xc, len(control))
	ci := interval(outcomeOf(k.Answer), points, pe-pc, test.Interval(xe, len(experiment), xc, len(control)), 100)
	want := fmt.Sprintf("less than %g points apart", k.Tolerance)
	if k.OddsRatio > 0 {
		ci = interval(outcomeOf(k.Answer), times, pe*(1-pc)/((1-pe)*pc), test.Interval(xe, len(experiment), xc, len(control)), 1)
		want = fmt.Sprintf("odds less than %g times apart", k.OddsRatio)
	}
	return compared(t, test.Judge(xe, len(experiment), xc, len(control)), n, fmt.Sprintf("share of %s (%d and %d) %s", outcomeOf(k.Answer), xe, xc, of), ci, want)
}

func compared(t *record.Test, d stat.Decision, n int, what string, ci record.Interval, want string) outcome {
	t.Intervals = []record.Interval{ci}
	o := decided(t, d, n, fmt.Sprintf("%s: %s, wanted %s", what, within(ci), want))
	o.measured, o.want = what+": "+within(ci), want
	return o
}

func count(results []loadgen.Result, a spec.Answer) int {
	n := 0
	for i := range results {
		if matches(a, &results[i]) {
			n++
		}
	}
	return n
}

// sides gives the requests of both, as far as both ran at the same time.
func sides(r *record.Run, p record.Phase, k *spec.Compare) (experiment, control []loadgen.Result, why string) {
	if k.By == "" {
		experiment, control = due(r, p, k.Experiment), due(r, p, k.Control)
	} else {
		results, samples, why := tell(r, p, k.Load, k.By)
		if why != "" {
			return nil, nil, why
		}
		keys, torn := make(map[int]string, len(results)), 0
		for _, s := range samples {
			if before, ok := keys[s.of]; ok && before != s.key {
				torn++
			}
			keys[s.of] = s.key
		}
		if torn > 0 {
			return nil, nil, fmt.Sprintf("%d calls of requests of load %s went elsewhere than others of the same request, which then belongs to no side", torn, k.Load)
		}
		for i := range results {
			switch key, ok := keys[i]; {
			case ok && key == k.Experiment:
				experiment = append(experiment, results[i])
			case ok && key == k.Control:
				control = append(control, results[i])
			}
		}
	}
	for _, side := range []struct {
		name    string
		results []loadgen.Result
	}{{k.Experiment, experiment}, {k.Control, control}} {
		if len(side.results) == 0 {
			return nil, nil, fmt.Sprintf("there were no requests of %s in phase %s", side.name, p.Name)
		}
	}
	from := latest(experiment[0].Scheduled, control[0].Scheduled)
	to := earliest(experiment[len(experiment)-1].Scheduled, control[len(control)-1].Scheduled)
	experiment, control = during(experiment, from, to), during(control, from, to)
	if len(experiment) == 0 || len(control) == 0 {
		return nil, nil, fmt.Sprintf("%s and %s did not run at the same time in phase %s", k.Experiment, k.Control, p.Name)
	}
	return experiment, control, ""
}

// latest of two times.
func latest(a, b time.Time) time.Time { return slices.MaxFunc([]time.Time{a, b}, time.Time.Compare) }

// earliest of two times.
func earliest(a, b time.Time) time.Time { return slices.MinFunc([]time.Time{a, b}, time.Time.Compare) }
