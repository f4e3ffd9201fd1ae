package assert

import (
	"slices"

	"github.com/squallmesh/squall/loadgen"
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
	n := len(results)
	statuses, values, answered := tally(results)
	if c.Success != nil && exceeded(*c.Success, successes(results), n) {
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
	beyond := func(b *spec.Bound, side byte) bool {
		return b != nil && b.Op[0] == side && slices.ContainsFunc(results, func(res loadgen.Result) bool { return !b.Holds(float64(res.Latency())) })
	}
	return answered > 0 && (beyond(c.Min, '>') || beyond(c.Max, '<'))
}

// exceeded says that k of n are such that no further ones can bring them within a bound.
func exceeded(b spec.Bound, k, n int) bool {
	if b.Unit == spec.Percent {
		return b.Value == 100 && (b.Op == "==" || b.Op == ">=") && k < n || b.Value == 0 && (b.Op == "==" || b.Op == "<=") && k > 0
	}
	return (b.Op == "==" || b.Op == "<=" || b.Op == "<") && float64(k) >= b.Value && !b.Holds(float64(k))
}
