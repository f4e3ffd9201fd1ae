package assert

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// load judges what a load's users saw: success, statuses, values, latency from schedule.
func load(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	results := r.Within(p, c.Load)
	n := len(results)
	if n == 0 {
		return inconclusive("load %s sent nothing in phase %s", c.Load, p.Name)
	}
	var out []outcome
	if c.Success != nil {
		out = append(out, compare("success", *c.Success, part(*c.Success, successes(results), n), n))
	}
	statuses, values, answered := tally(results)
	for _, s := range slices.Sorted(maps.Keys(c.Status)) {
		b := c.Status[s]
		out = append(out, compare("status "+s, b, part(b, statuses[s], n), n))
	}
	for _, v := range slices.Sorted(maps.Keys(c.Values)) {
		b := c.Values[v]
		if b.Holds(0) && values[""] == n && v != "" {
			// A load that kept no value at all shows nothing about the absence of one.
			out = append(out, inconclusive("load %s kept no value of any answer in phase %s", c.Load, p.Name))
			continue
		}
		out = append(out, compare(fmt.Sprintf("value %q", v), b, part(b, values[v], n), n))
	}
	latencies := make([]time.Duration, n)
	for i := range results {
		latencies[i] = results[i].Latency()
	}
	slices.Sort(latencies)
	for _, q := range []struct {
		name  string
		bound *spec.Bound
		q     float64
	}{{"min", c.Min, 0}, {"p50", c.P50, .5}, {"p90", c.P90, .9}, {"p95", c.P95, .95}, {"p99", c.P99, .99}, {"max", c.Max, 1}} {
		if q.bound == nil {
			continue
		}
		if answered == 0 {
			// Requests that fail at once are not fast.
			out = append(out, inconclusive("no request of load %s had an answer in phase %s, so there is no %s", c.Load, p.Name, q.name))
			continue
		}
		// A quantile needs at least one observation beyond it.
		if need := int(math.Round(1 / (1 - min(q.q, .999)))); q.q < 1 && n < need {
			out = append(out, inconclusive("%s needs %d requests, the phase %s has %d", q.name, need, p.Name, n))
			continue
		}
		out = append(out, compare(q.name, *q.bound, float64(loadgen.Quantile(latencies, q.q)), n))
	}
	return join(out)
}

// tally counts the statuses and the kept values of results, and those that had an answer.
func tally(results []loadgen.Result) (statuses, values map[string]int, answered int) {
	statuses, values = map[string]int{}, map[string]int{}
	for i := range results {
		statuses[strconv.Itoa(results[i].Status)]++
		values[results[i].Value]++
		if results[i].Answered() {
			answered++
		}
	}
	return statuses, values, answered
}

// successes counts whole answers below 500.
func successes(results []loadgen.Result) int {
	n := 0
	for i := range results {
		if results[i].Succeeded() {
			n++
		}
	}
	return n
}
