package assert

import (
	"strconv"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// Doomed says of a check of a load whether it fails whatever is still to come in its phase, which is p as far as it got: an answer broke what
// must hold of each, or a number is beyond its bound already. Of checks of any other kind it says nothing: false.
func Doomed(r *record.Run, c spec.Check, p record.Phase) bool {
	if c.Load == "" {
		return false
	}
	results := r.Within(p, c.Load)
	n, successful, statuses, values := len(results), successes(results), map[string]int{}, map[string]int{}
	var least, most time.Duration
	answered := false
	for i := range results {
		res := &results[i]
		statuses[strconv.Itoa(res.Status)]++
		values[res.Value]++
		if i == 0 {
			least = res.Latency()
		}
		least, most = min(least, res.Latency()), max(most, res.Latency())
		answered = answered || res.Answered()
	}
	if c.Success != nil && exceeded(*c.Success, successful, n) {
		return true
	}
	for status, b := range c.Status {
		if exceeded(b, statuses[status], n) {
			return true
		}
	}
	for value, b := range c.Values {
		if exceeded(b, values[value], n) {
			return true
		}
	}
	return answered && (c.Min != nil && c.Min.Op[0] == '>' && !c.Min.Holds(float64(least)) ||
		c.Max != nil && c.Max.Op[0] == '<' && !c.Max.Holds(float64(most)))
}

// exceeded says that k of n are such that no further ones can bring them within a bound.
func exceeded(b spec.Bound, k, n int) bool {
	if b.Unit == spec.Percent {
		return b.Value == 100 && (b.Op == "==" || b.Op == ">=") && k < n || b.Value == 0 && (b.Op == "==" || b.Op == "<=") && k > 0
	}
	return (b.Op == "==" || b.Op == "<=" || b.Op == "<") && float64(k) >= b.Value && !b.Holds(float64(k))
}
