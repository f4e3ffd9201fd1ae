package spec

import (
	"fmt"
)

// statistics checks the checks with error rates, and what they plan. The plans wait until all else is right.
func (c *checker) statistics() {
	before := len(*c.problems)
	c.rates("spec.errors", c.file.Spec.Errors)
	for i := range c.file.Spec.Checks {
		k := &c.file.Spec.Checks[i]
		at := fmt.Sprintf("spec.checks[%d]", i)
		switch {
		case k.Split != nil:
			c.split(at+".split", k.Split)
		case k.Rate != nil:
			c.rate(at+".rate", k.Rate)
		case k.Quantile != nil:
			c.quantile(at+".quantile", k.Quantile)
		case k.Compare != nil:
			c.compare(at+".compare", k.Compare)
		case k.Amplification != nil:
			c.amplification(at+".amplification", k.Amplification)
		default:
			continue
		}
		c.rates(at+"."+k.Kinds()[0], k.Declared())
	}
	c.budget()
	if len(*c.problems) > before || c.problems.HasErrors() {
		return
	}
	for _, p := range c.file.Plans() {
		if why, remedy := p.Short(); why != "" {
			c.errorf("TOO-FEW", p.At, "%s", why)
			c.problems.Hint("%s", remedy)
		}
	}
}

// rates checks stated error rates.
func (c *checker) rates(at string, e *Errors) {
	if e == nil {
		return
	}
	for _, r := range allRates() {
		if v := r.get(*e); v < 0 || v >= 0.5 {
			c.errorf("BAD-VALUE", at+"."+r.name, "an error rate lies between 0 and 0.5, such as 0.01; this is %g", v)
		}
	}
}

// budget checks that something of the scenario's errors is left for the checks that state none.
func (c *checker) budget() {
	for _, r := range allRates() {
		if c.file.Spec.Errors == nil || r.get(*c.file.Spec.Errors) <= 0 {
			continue
		}
		total := r.get(*c.file.Spec.Errors)
		if sum, others := c.file.stated(r); sum > total*(1+1e-9) || others > 0 && sum >= total {
			c.errorf("BAD-VALUE", "spec.errors."+r.name, "the checks state %g of %g in all, and %d of them have yet to get their part", sum, total, others)
		}
	}
}

// knownLoad checks that a load is there, and gives it.
func (c *checker) knownLoad(at, name string) (Load, bool) {
	for _, l := range c.file.Spec.Load {
		if l.Name == name {
			return l, true
		}
	}
	if name == "" {
		c.errorf("MISSING-FIELD", at, "which load?")
	} else {
		c.errorf("UNKNOWN-LOAD", at, "there is no load %q", name)
	}
	return Load{}, false
}

func (c *checker) keepsValues(at string, l Load) {
	if !l.keepsValues() {
		c.errorf("NO-VALUE", at, "the load %q keeps no values; give it a value: header or body", l.Name)
	}
}

func (c *checker) by(at, by string, l Load) {
	b, err := ParseBy(by)
	switch {
	case err != nil:
		c.errorf("BAD-VALUE", at+".by", "%v", err)
	case b.Kind == ByValue:
		c.keepsValues(at+".load", l)
	}
}

// tolerance checks one of a number that lies between two bounds: something must be too far off.
func (c *checker) tolerance(at, unit string, tolerance, want, least, most float64) {
	switch {
	case tolerance <= 0:
		c.errorf("MISSING-FIELD", at+".tolerance", "how far off is too far? say tolerance: in %s, above 0", unit)
	case want-tolerance < least && want+tolerance > most:
		c.errorf("BAD-VALUE", at+".tolerance", "everything from %g to %g is within %g of %g, so that nothing could fail", least, most, tolerance, want)
	}
}

func (c *checker) split(at string, k *Split) {
	if l, ok := c.knownLoad(at+".load", k.Load); ok {
		c.by(at, k.By, l)
	}
	sum, wide := 0.0, 0.0
	for _, v := range sorted(k.Want) {
		sum += k.Want[v]
		if k.Want[v] < 0 {
			c.errorf("BAD-VALUE", at+".want."+v, "a share lies between 0 and 100")
		}
		wide = max(wide, min(k.Want[v], 100-k.Want[v]))
	}
	if sum < 99.999 || sum > 100.001 {
		c.errorf("BAD-VALUE", at+".want", "the shares sum to %g, not to 100", sum)
	}
	// The share that is furthest from both ends is the one whose tolerance may be the widest.
	c.tolerance(at, "percentage points", k.Tolerance, wide, 0, 100)
	if k.Calls < 0 {
		c.errorf("BAD-VALUE", at+".calls", "one request makes 1 call or more")
	}
}

func (c *checker) rate(at string, k *Rate) {
	calls := k.From != "" || k.To != ""
	if k.Load != "" || !calls {
		if l, ok := c.knownLoad(at+".load", k.Load); ok && !calls {
			if !k.Traced {
				c.answer(at, k.Answer, l)
			} else if l.Sampling != SamplingMesh {
				c.errorf("BAD-CHECK", at+".traced", "all requests of the load %q are traced, whatever rules say: give it sampling: mesh", l.Name)
			}
		}
	}
	if calls {
		c.status(at, k.Status)
	}
	switch {
	case k.Traced && (calls || k.Success || k.Status != nil || k.Value != "" || len(k.Headers) > 0):
		c.errorf("BAD-CHECK", at+".traced", "the share of what is traced is that of all requests of a load: write a check of its own")
	case calls && (k.Success || k.Value != "" || len(k.Headers) > 0):
		c.errorf("BAD-CHECK", at, "calls between workloads are told apart by status and flags alone: success, value and headers are those of a load's answers")
	case calls && k.Status == nil && k.Flags == "":
		c.errorf("MISSING-FIELD", at, "the share of what? say status or flags")
	case !calls && k.Flags != "":
		c.errorf("BAD-CHECK", at+".flags", "the proxies log flags of calls: say from or to as well")
	}
	if k.Want < 0 || k.Want > 100 {
		c.errorf("BAD-VALUE", at+".want", "a share lies between 0 and 100")
	}
	c.tolerance(at, "percentage points", k.Tolerance, k.Want, 0, 100)
	if k.Calls < 0 {
		c.errorf("BAD-VALUE", at+".calls", "one request makes 1 call or more")
	}
}

// answer checks an outcome of a load's requests.
func (c *checker) answer(at string, a Answer, l Load) {
	if a.Status == nil && !a.Success && a.Value == "" && len(a.Headers) == 0 {
		c.errorf("MISSING-FIELD", at, "the share of what? say status, success, value or headers")
	}
	c.status(at, a.Status)
	if a.Value != "" {
		c.keepsValues(at+".value", l)
	}
}

func (c *checker) status(at string, status *int) {
	if status != nil && *status != 0 && (*status < 100 || *status > 599) {
		c.errorf("BAD-VALUE", at+".status", "%d is no status: a number from 100 to 599, or 0 for no answer", *status)
	}
}

func (c *checker) level(at string, q float64) {
	if q <= 0 || q >= 1 {
		c.errorf("BAD-VALUE", at+".q", "a quantile's level lies between 0 and 1: 0.99 is p99")
	}
}

func (c *checker) spread(at string, spread, most float64) {
	if spread < 0 || spread > most*(1+1e-9) {
		c.errorf("BAD-VALUE", at+".spread", "there are %g percentage points between the quantile and the end; the spread is above 0 and no more than that", most)
	}
}

func (c *checker) quantile(at string, k *Quantile) {
	c.knownLoad(at+".load", k.Load)
	c.level(at, k.Q)
	most := 100 * (1 - k.Q)
	switch {
	case k.Below > 0 && (k.Want != 0 || k.Margin != 0):
		c.errorf("BAD-CHECK", at, "a quantile has a bound (below), or a time (want) with a margin, not both")
	case k.Below == 0 && (k.Want <= 0 || k.Margin <= 0):
		c.errorf("MISSING-FIELD", at, "below which time? say below: 200ms, or want: 100ms with margin: 20ms")
	case k.Below == 0:
		most = min(most, 100*k.Q)
		if k.Margin >= k.Want {
			c.errorf("BAD-VALUE", at+".margin", "a margin of %s holds every time below %s: say below: %s", k.Margin, k.Want+k.Margin, k.Want+k.Margin)
		}
	}
	c.spread(at, k.Spread, most)
}

func (c *checker) compare(at string, k *Compare) {
	if k.Experiment == "" || k.Control == "" || k.Experiment == k.Control {
		c.errorf("MISSING-FIELD", at, "a comparison has an experiment and a control: two loads, or two values of by")
	} else if k.By == "" && k.Load == "" {
		var both []Load
		for _, side := range []struct{ at, name string }{{".experiment", k.Experiment}, {".control", k.Control}} {
			l, ok := c.knownLoad(at+side.at, side.name)
			if ok {
				both = append(both, l)
			}
		}
		for _, l := range both {
			if k.Q == 0 {
				c.answer(at, k.Answer, l)
			}
		}
	} else if l, ok := c.knownLoad(at+".load", k.Load); ok {
		if k.By == "" {
			c.errorf("MISSING-FIELD", at+".load", "the requests of one load are told apart by: value, status, header:NAME or WORKLOAD.LABEL")
		} else {
			c.by(at, k.By, l)
		}
		if k.Q == 0 {
			c.answer(at, k.Answer, l)
		}
	}
	if k.Q != 0 {
		c.compareQuantiles(at, k)
	} else {
		c.compareShares(at, k)
	}
}

func (c *checker) compareQuantiles(at string, k *Compare) {
	c.level(at, k.Q)
	if k.Status != nil || k.Success || k.Value != "" || len(k.Headers) > 0 || k.Tolerance != 0 || k.OddsRatio != 0 || k.Expect != 0 {
		c.errorf("BAD-CHECK", at, "with q latency is compared, by ratio or margin: status, success, value, headers, tolerance, oddsRatio and expect are for shares")
	}
	if (k.Ratio > 1) == (k.Margin > 0) || k.Ratio < 0 || k.Ratio > 0 && k.Ratio <= 1 {
		c.errorf("MISSING-FIELD", at, "how different is too different? say ratio: 1.5 (above 1), or margin: 50ms")
	}
	c.spread(at, k.Spread, 100*min(k.Q, 1-k.Q))
}

func (c *checker) compareShares(at string, k *Compare) {
	if k.Ratio != 0 || k.Margin != 0 || k.Spread != 0 {
		c.errorf("BAD-CHECK", at, "ratio, margin and spread are for quantiles of latency: say q, or tolerance or oddsRatio for shares")
	}
	if (k.Tolerance > 0) == (k.OddsRatio > 1) || k.Tolerance < 0 || k.OddsRatio < 0 || k.OddsRatio > 0 && k.OddsRatio <= 1 {
		c.errorf("MISSING-FIELD", at, "how different is too different? say tolerance: 2 (percentage points), or oddsRatio: 1.5 (above 1)")
	}
	if k.Expect < 0 || k.Expect > 100 || k.OddsRatio > 0 && (k.Expect <= 0 || k.Expect >= 100) {
		c.errorf("MISSING-FIELD", at+".expect", "which share in percent do both have when all is well? An odds ratio needs one between 0 and 100")
	}
}

func (c *checker) amplification(at string, k *Amplification) {
	c.knownLoad(at+".load", k.Load)
	if k.To == "" {
		c.errorf("MISSING-FIELD", at+".to", "attempts at which workload?")
	}
	if k.Max < 2 {
		c.errorf("MISSING-FIELD", at+".max", "how many attempts can one request lead to at most? 3 with two retries; at least 2")
	}
	if k.Want < 1 || k.Max >= 2 && k.Want > float64(k.Max) {
		c.errorf("BAD-VALUE", at+".want", "the mean lies between 1 and max")
	}
	c.tolerance(at, "attempts", k.Tolerance, k.Want, 1, float64(k.Max))
}
