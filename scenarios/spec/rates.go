package spec

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/squallmesh/squall/scenarios/stat"
)

// Declared gives what a check states of its error rates, or nil if it is of a kind without.
func (c *Check) Declared() *Errors {
	switch {
	case c.Split != nil:
		return &c.Split.Errors
	case c.Rate != nil:
		return &c.Rate.Errors
	case c.Quantile != nil:
		return &c.Quantile.Errors
	case c.Compare != nil:
		return &c.Compare.Errors
	case c.Amplification != nil:
		return &c.Amplification.Errors
	}
	return nil
}

// oneRate is one of the three rates.
type oneRate struct {
	name     string
	get      func(Errors) float64
	standard float64
}

func allRates() []oneRate {
	return []oneRate{
		{"falsePass", func(e Errors) float64 { return e.FalsePass }, stat.DefaultFalsePass},
		{"falseFail", func(e Errors) float64 { return e.FalseFail }, stat.DefaultFalseFail},
		{"falseInconclusive", func(e Errors) float64 { return e.FalseInconclusive }, stat.DefaultFalseInconclusive},
	}
}

// ErrorsOf gives the error rates in force of a check with error rates: its own, else its part of the scenario's, else the default.
func (s *Scenario) ErrorsOf(c *Check) stat.Errors {
	own := c.Declared()
	if own == nil {
		return stat.Errors{}
	}
	var out [3]float64
	for i, r := range allRates() {
		out[i] = r.get(*own)
		if out[i] == 0 {
			out[i] = s.share(r)
		}
	}
	return stat.Errors{FalsePass: out[0], FalseFail: out[1], FalseInconclusive: out[2]}
}

// share is what a check has of a rate that it does not state.
func (s *Scenario) share(r oneRate) float64 {
	if s.Spec.Errors == nil || r.get(*s.Spec.Errors) == 0 {
		return r.standard
	}
	stated, others := s.stated(r)
	if others == 0 {
		return 0
	}
	return (r.get(*s.Spec.Errors) - stated) / float64(others)
}

// stated sums up what checks state of a rate, and counts those that do not.
func (s *Scenario) stated(r oneRate) (sum float64, others int) {
	for i := range s.Spec.Checks {
		e := s.Spec.Checks[i].Declared()
		switch {
		case e == nil:
		case r.get(*e) == 0:
			others++
		default:
			sum += r.get(*e)
		}
	}
	return sum, others
}

// Test gives the test, and the values in the order of its targets.
func (k *Split) Test(e stat.Errors) (values []string, t stat.Split) {
	t = stat.Split{Tolerance: k.Tolerance / 100, Errors: e}
	for _, v := range sorted(k.Want) {
		values, t.Targets = append(values, v), append(t.Targets, k.Want[v]/100)
	}
	return values, t
}

// Test gives the test.
func (k *Rate) Test(e stat.Errors) stat.Share {
	return stat.Share{Target: k.Want / 100, Tolerance: k.Tolerance / 100, Errors: e}
}

// Test gives the test; observations are in nanoseconds.
func (k *Quantile) Test(e stat.Errors) stat.Quantile {
	t := stat.Quantile{Q: k.Q, Low: math.Inf(-1), High: float64(k.Below), Spread: k.Spread / 100, Errors: e}
	possible := 1 - k.Q
	if k.Below == 0 {
		t.Low, t.High = float64(k.Want-k.Margin), float64(k.Want+k.Margin)
		possible = min(k.Q, 1-k.Q) / 2
	}
	if t.Spread == 0 {
		t.Spread = possible
	}
	return t
}

// Shares gives the test of a comparison without Q.
func (k *Compare) Shares(e stat.Errors) stat.CompareShares {
	return stat.CompareShares{Tolerance: k.Tolerance / 100, OddsRatio: k.OddsRatio, Expect: k.Expect / 100, Errors: e}
}

// Quantiles gives the test of a comparison with Q; observations are in nanoseconds.
func (k *Compare) Quantiles(e stat.Errors) stat.CompareQuantiles {
	t := stat.CompareQuantiles{Q: k.Q, Ratio: k.Ratio, Margin: float64(k.Margin), Spread: k.Spread / 100, Errors: e}
	if t.Spread == 0 {
		t.Spread = min(k.Q, 1-k.Q) / 2
	}
	return t
}

// Test gives the test.
func (k *Amplification) Test(e stat.Errors) stat.Mean {
	return stat.Mean{Target: k.Want, Tolerance: k.Tolerance, Min: 1, Max: float64(k.Max), Errors: e}
}

// Needed is the sample that a check with error rates plans for, of each side if it compares; 0 if it is of a kind without, or if no
// sample is enough.
func (c *Check) Needed(e stat.Errors) int {
	switch {
	case c.Split != nil:
		_, t := c.Split.Test(e)
		if c.Split.Sequential {
			return t.NeededSequential()
		}
		return t.Needed()
	case c.Rate != nil:
		if c.Rate.Sequential {
			return c.Rate.Test(e).NeededSequential()
		}
		return c.Rate.Test(e).Needed()
	case c.Quantile != nil:
		return c.Quantile.Test(e).Needed()
	case c.Compare != nil && c.Compare.Q != 0:
		return c.Compare.Quantiles(e).Needed()
	case c.Compare != nil:
		return c.Compare.Shares(e).Needed()
	case c.Amplification != nil:
		return c.Amplification.Test(e).Needed()
	}
	return 0
}

// sure tells whether an item happens in any case, at its time.
func (i Item) sure() bool { return i.When == nil && len(i.Unless) == 0 }

// Within gives the longest that a phase can be: from what the scenario says, before it is known how long changes take, and which
// items happen at all.
func (f *File) Within(phase string) (from, to time.Duration) {
	items, end := f.Spec.Timeline, f.End()
	until := func(item Item) time.Duration {
		switch {
		case item.For > 0:
			return min(end, item.At.D()+item.For.D())
		case item.Fault != nil, item.Hold != nil:
			return end
		}
		return item.At.D()
	}
	switch phase {
	case "", "all":
		return 0, end
	case "before":
		first := end
		for _, item := range items {
			if item.sure() {
				first = min(first, item.At.D())
			}
		}
		return 0, first
	case "after":
		last := time.Duration(0)
		for _, item := range items {
			if item.sure() {
				last = max(last, until(item))
			}
		}
		if len(items) == 0 {
			last = end
		}
		return last, end
	}
	for _, item := range items {
		if item.Name != phase {
			continue
		}
		if item.For > 0 && item.When == nil {
			return item.At.D(), until(item)
		}
		to := end
		for _, later := range items {
			if later.Name != "" && later.At > item.At && later.sure() && item.For == 0 {
				to = min(to, later.At.D())
			}
		}
		return item.At.D(), to
	}
	return 0, 0
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// unique keeps the first of each.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
