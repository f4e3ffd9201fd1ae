package assert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
	"github.com/squallmesh/squall/scenarios/stat"
)

// split tests how a load's requests are divided over values. A value that nobody wants fails by itself: it is wanted never, not rarely.
func split(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	k, t := c.Split, declared(r, &c)
	_, samples, why := tell(r, p, k.Load, k.By)
	if why != "" {
		return lacking(t, "%s", why)
	}
	values, test := k.Test(t.Errors)
	index, others := map[string]int{}, map[string]int{}
	for i, v := range values {
		index[v] = i
	}
	for _, s := range samples {
		if _, ok := index[s.key]; !ok {
			others[s.key]++
		}
	}
	if len(others) > 0 {
		return unwanted(t, others, values, len(samples))
	}
	decision, n := stat.Open, len(samples)
	if k.Sequential {
		running := test.Sequential()
		for _, s := range samples {
			if running.Add(index[s.key]) != stat.Open {
				break
			}
		}
		decision, n = running.End(), running.Taken()
		t.DecidedAt = at(decision, n)
	}
	counts := make([]int, len(values))
	for _, s := range samples[:n] {
		counts[index[s.key]]++
	}
	if !k.Sequential {
		decision = test.Judge(counts)
	}
	var measured, want, found []string
	for i, v := range values {
		ci := interval(v, percent, share(counts[i], n), test.Interval(counts[i], n), 100)
		t.Intervals = append(t.Intervals, ci)
		measured = append(measured, v+" "+within(ci))
		want = append(want, fmt.Sprintf("%s %g%%", v, k.Want[v]))
		found = append(found, fmt.Sprintf("%s has %d of %d requests (%.2f%%)", v, counts[i], n, 100*share(counts[i], n)))
	}
	o := decided(t, decision, n, fmt.Sprintf("%s, wanted %s within %g points", strings.Join(found, ", "), strings.Join(want, ", "), k.Tolerance))
	o.measured, o.want = strings.Join(measured, ", "), fmt.Sprintf("%s within %g points", strings.Join(want, ", "), k.Tolerance)
	return o
}

// unwanted is the outcome of values that nobody wants.
func unwanted(t *record.Test, others map[string]int, values []string, n int) outcome {
	var found []string
	for _, v := range slices.Sorted(maps.Keys(others)) {
		found = append(found, fmt.Sprintf("%d of %d gave %q", others[v], n, v))
	}
	return outcome{
		verdict: record.Fail, samples: n, test: t, measured: strings.Join(found, ", "), want: "only " + strings.Join(values, ", "),
		reason: strings.Join(found, ", ") + ", which nobody wants",
	}
}

func share(x, n int) float64 { return float64(x) / float64(n) }

// at is where a sequential test decided, 0 if it did not.
func at(d stat.Decision, n int) int {
	if d == stat.Open {
		return 0
	}
	return n
}
