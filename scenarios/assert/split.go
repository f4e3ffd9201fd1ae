package assert

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// The error rates of a split that states none.
const (
	defaultFalsePass = 0.01
	defaultFalseFail = 0.001
)

// split tests the shares of a load's values with exact binomial tests. With target p and tolerance t it passes when both
// |share-p| >= t are rejected at falsePass, fails when |share-p| <= t is rejected at falseFail, and is inconclusive
// otherwise. Several values share the error rates equally (Bonferroni).
func split(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	k := c.Split
	results := r.Within(p, k.Load)
	n := len(results)
	if n == 0 {
		return inconclusive("load %s sent nothing in phase %s", k.Load, p.Name)
	}
	counts := map[string]int{}
	for i := range results {
		counts[results[i].Value]++
	}
	falsePass, falseFail := k.FalsePass, k.FalseFail
	if falsePass == 0 {
		falsePass = defaultFalsePass
	}
	if falseFail == 0 {
		falseFail = defaultFalseFail
	}
	// Passing needs every value to pass, so falsePass holds for each by itself; any one failing fails all.
	falseFail /= float64(len(k.Want))
	var out []outcome
	for _, value := range slices.Sorted(maps.Keys(k.Want)) {
		p0 := k.Want[value] / 100
		o := outcome{
			measured: fmt.Sprintf("%s %.2f%%", value, 100*float64(counts[value])/float64(n)),
			want:     fmt.Sprintf("%s %g%% within %g points", value, k.Want[value], k.Tolerance), samples: n,
		}
		o.verdict = judgeShare(counts[value], n, p0, k.Tolerance/100, falsePass, falseFail)
		o.reason = fmt.Sprintf("%s has %d of %d requests (%.2f%%), wanted %g%% within %g points",
			value, counts[value], n, 100*float64(counts[value])/float64(n), k.Want[value], k.Tolerance)
		if o.verdict == record.Inconclusive {
			o.reason += "; that many requests cannot tell at the stated error rates"
		}
		out = append(out, o)
	}
	for _, value := range slices.Sorted(maps.Keys(counts)) {
		count := counts[value]
		if _, ok := k.Want[value]; !ok && count > 0 {
			out = append(out, outcome{
				verdict: record.Fail, samples: n,
				measured: fmt.Sprintf("%q %d", value, count), want: fmt.Sprintf("no %q", value),
				reason: fmt.Sprintf("%d requests gave %q, which nobody wants", count, value),
			})
		}
	}
	return join(out)
}

// judgeShare decides one share by exact binomial tails: x of n, target p0, tolerance t.
func judgeShare(x, n int, p0, t, falsePass, falseFail float64) record.Verdict {
	low, high := p0-t, p0+t
	// Equivalence: the share is above low, and below high.
	above := low <= 0 || upperTail(x, n, low) <= falsePass
	below := high >= 1 || lowerTail(x, n, high) <= falsePass
	if above && below {
		return record.Pass
	}
	if low > 0 && lowerTail(x, n, low) <= falseFail/2 || high < 1 && upperTail(x, n, high) <= falseFail/2 {
		return record.Fail
	}
	return record.Inconclusive
}

// upperTail is P(X >= x), lowerTail P(X <= x), for n draws at share p; by the regularised incomplete beta function.
func upperTail(x, n int, p float64) float64 {
	if x <= 0 {
		return 1
	}
	return math.Max(0, distuv.Beta{Alpha: float64(x), Beta: float64(n - x + 1)}.CDF(p))
}

func lowerTail(x, n int, p float64) float64 {
	if x >= n {
		return 1
	}
	return math.Max(0, 1-distuv.Beta{Alpha: float64(x + 1), Beta: float64(n - x)}.CDF(p))
}
