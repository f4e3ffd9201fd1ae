package spec

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/squallmesh/squall/loadgen/pace"
	"github.com/squallmesh/squall/scenarios/stat"
)

// Plan is what a check with error rates needs, and what the loads give it.
type Plan struct {
	// Check is its index, Kind its kind, At the path of its field.
	Check    int
	Kind, At string
	Errors   stat.Errors
	// Needed is the sample that its error rates ask for, of each side if it compares. 0: no sample is enough.
	Needed int
	// Offered is the most that the loads can give, of each side if it compares; less than Needed means that it can never decide as
	// declared.
	Offered int
	// Of says what is counted: requests of load readers. Pace and Length are those of the loads that give it.
	Of     string
	Pace   float64
	Length time.Duration
}

// Plans lists the plans of all checks with error rates, in their order.
func (f *File) Plans() []Plan {
	var out []Plan
	for i := range f.Spec.Checks {
		c := &f.Spec.Checks[i]
		kinds := c.Kinds()
		if c.Declared() == nil || len(kinds) != 1 {
			continue
		}
		p := Plan{Check: i, Kind: kinds[0], At: fmt.Sprintf("spec.checks[%d].%s", i, kinds[0]), Errors: f.ErrorsOf(c)}
		p.Needed = c.Needed(p.Errors)
		f.offer(&p, c)
		out = append(out, p)
	}
	return out
}

// offer works out how large a sample can be.
func (f *File) offer(p *Plan, c *Check) {
	from, to := f.Within(c.Phase)
	every := 1.0 // how many samples one request gives
	var loads []string
	switch {
	case c.Split != nil:
		loads = []string{c.Split.Load}
		p.Of = "requests of load " + c.Split.Load
		if by, err := ParseBy(c.Split.By); err == nil && by.Kind == ByLabel {
			p.Of = "calls of " + by.Workload
			every = float64(max(1, c.Split.Calls))
		}
	case c.Rate != nil:
		p.Of = "requests of load " + c.Rate.Load
		if c.Rate.From != "" || c.Rate.To != "" {
			p.Of, every = "such calls", float64(max(1, c.Rate.Calls))
		}
		if c.Rate.Load != "" {
			loads = []string{c.Rate.Load}
		}
	case c.Quantile != nil:
		loads = []string{c.Quantile.Load}
		p.Of = "requests of load " + c.Quantile.Load
	case c.Amplification != nil:
		loads = []string{c.Amplification.Load}
		p.Of = "requests of load " + c.Amplification.Load
	case c.Compare != nil && c.Compare.By != "":
		loads, every = []string{c.Compare.Load}, 0.5 // at best half of them are the experiment's
		p.Of = fmt.Sprintf("requests of %s and of %s", c.Compare.Experiment, c.Compare.Control)
	case c.Compare != nil:
		p.Of = fmt.Sprintf("requests of %s and of %s", c.Compare.Experiment, c.Compare.Control)
		f.offerBoth(p, c.Compare, from, to)
		return
	}
	sum := 0.0
	for _, l := range f.Spec.Load {
		if len(loads) > 0 && !slices.Contains(loads, l.Name) {
			continue
		}
		perSecond, length := l.within(from, to)
		sum += every * perSecond * length.Seconds()
		if length > 0 {
			p.Pace += every * perSecond
			p.Length = max(p.Length, length)
		}
	}
	p.Offered = whole(sum)
}

// offerBoth counts what the slower of two loads sends while both run.
func (f *File) offerBoth(p *Plan, k *Compare, from, to time.Duration) {
	both := slices.DeleteFunc(slices.Clone(f.Spec.Load), func(l Load) bool { return l.Name != k.Experiment && l.Name != k.Control })
	if len(both) != 2 {
		return // reported elsewhere
	}
	for _, l := range both {
		from, to = max(from, l.At.D()), min(to, l.At.D()+l.Duration.D())
	}
	p.Pace = math.Inf(1)
	for _, l := range both {
		perSecond, length := l.within(from, to)
		p.Pace, p.Length = min(p.Pace, perSecond), length
	}
	p.Offered = whole(p.Pace * p.Length.Seconds())
}

// within gives the rate of a load, per second, and how long it runs between two times.
func (l Load) within(from, to time.Duration) (perSecond float64, length time.Duration) {
	rate, err := pace.ParseRate(l.Rate)
	if err != nil {
		return 0, 0 // reported elsewhere
	}
	return rate.PerSecond(), max(0, min(to, l.At.D()+l.Duration.D())-max(from, l.At.D()))
}

// whole rounds up what floating point does not make one more.
func whole(v float64) int { return int(math.Ceil(v - 1e-6)) }

// Short says why the loads cannot give what the plan needs, and what would do, or "".
func (p Plan) Short() (why, remedy string) {
	switch {
	case p.Needed == 0:
		return fmt.Sprintf("no sample of up to %d is enough for what this check declares", stat.MaxSample),
			"take a wider tolerance, ratio, margin or spread, or larger error rates"
	case p.Offered >= p.Needed:
		return "", ""
	}
	why = fmt.Sprintf("for its error rates this check needs %d %s, and the scenario gives %d at most", p.Needed, p.Of, p.Offered)
	if p.Pace == 0 || p.Length == 0 {
		return why, "no load runs in its phase"
	}
	return why, fmt.Sprintf("%s give %.4g/s in %s: %.4g/s would do, or %s; or a wider tolerance, or larger error rates",
		p.Of, p.Pace, p.Length, math.Ceil(float64(p.Needed)/p.Length.Seconds()), seconds(float64(p.Needed)/p.Pace))
}

// seconds rounds up to tenths.
func seconds(v float64) time.Duration {
	return time.Duration(math.Ceil(v*10-1e-6)) * 100 * time.Millisecond
}
