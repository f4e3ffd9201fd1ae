package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/scenarios/spec"
)

// Kind of a fault.
type Kind string

// The kinds that are tried, the cheapest first: what is slow is likelier than what is gone.
const (
	Delay   Kind = "delay"
	Abort   Kind = "abort"
	Pause   Kind = "pause"
	Kill    Kind = "kill"
	Latency Kind = "latency"
	Stall   Kind = "stall"
	Reset   Kind = "reset"
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Delay, Abort, Pause, Kill, Latency, Stall, Reset} }

// Fault is one fault of a candidate.
type Fault struct {
	Kind Kind
	// From and To are the two sides of latency, stall and reset; of the others To is the service, or the workload.
	From, To string
	// At and For are when it begins, from t = 0, and how long it lasts.
	At, For time.Duration
	// Size is the time of a delay or a latency.
	Size time.Duration
	// Percent of the calls that are delayed or aborted.
	Percent float64
}

// abortStatus is the answer of aborted calls.
const abortStatus = 503

// where is what a fault does to whom, without when and how much.
func (f Fault) where() string { return string(f.Kind) + " " + f.From + ">" + f.To }

// Cost is what makes one fault a larger assumption than another: that it is there at all, how long it lasts, how much it does.
func (f Fault) Cost() float64 {
	c := 10 + float64(slices.Index(Kinds(), f.Kind)) + f.For.Seconds() + f.Size.Seconds()
	if f.Kind == Delay || f.Kind == Abort {
		c += f.Percent / 100
	}
	return c
}

// Cost of several faults.
func Cost(list []Fault) (sum float64) {
	for _, f := range list {
		sum += f.Cost()
	}
	return sum
}

// Item is the fault as a scenario has it.
func (f Fault) Item() spec.Item {
	http := &spec.HTTPFault{To: f.To}
	if f.Percent < 100 {
		http.Percent = &f.Percent
	}
	network := &spec.Network{From: f.From, To: f.To}
	out := &spec.Fault{}
	switch f.Kind {
	case Delay:
		http.Fixed = spec.Duration(f.Size)
		out.Delay = http
	case Abort:
		http.Status = abortStatus
		out.Abort = http
	case Pause:
		out.Pause = &spec.Process{Workload: f.To}
	case Kill:
		out.Kill = &spec.Process{Workload: f.To}
	case Latency:
		network.Fixed = spec.Duration(f.Size)
		out.Latency = network
	case Stall:
		out.Stall = network
	case Reset:
		out.Reset = network
	}
	return spec.Item{At: spec.Duration(f.At), For: spec.Duration(f.For), Fault: out}
}

// YAML is the item as people write it, on one line.
func (f Fault) YAML() string {
	var what string
	percent := ""
	if f.Percent < 100 {
		percent = fmt.Sprintf(", percent: %g", f.Percent)
	}
	switch f.Kind {
	case Delay:
		what = fmt.Sprintf("delay: {to: %s, fixed: %s%s}", f.To, short(f.Size), percent)
	case Abort:
		what = fmt.Sprintf("abort: {to: %s, status: %d%s}", f.To, abortStatus, percent)
	case Pause, Kill:
		what = fmt.Sprintf("%s: {workload: %s}", f.Kind, f.To)
	case Latency:
		what = fmt.Sprintf("latency: {from: %s, to: %s, fixed: %s}", f.From, f.To, short(f.Size))
	case Stall, Reset:
		what = fmt.Sprintf("%s: {from: %s, to: %s}", f.Kind, f.From, f.To)
	}
	return fmt.Sprintf("{at: %s, for: %s, fault: {%s}}", short(f.At), short(f.For), what)
}

// String says it for people.
func (f Fault) String() string {
	when := fmt.Sprintf("from %s on for %s", short(f.At), short(f.For))
	share := ""
	if f.Percent < 100 {
		share = fmt.Sprintf("%g %% of the ", f.Percent)
	}
	switch f.Kind {
	case Delay:
		return fmt.Sprintf("delay %scalls to %s by %s, %s", share, f.To, short(f.Size), when)
	case Abort:
		return fmt.Sprintf("answer %scalls to %s with %d, %s", share, f.To, abortStatus, when)
	case Pause, Kill:
		return fmt.Sprintf("%s %s, %s", f.Kind, f.To, when)
	case Latency:
		return fmt.Sprintf("add %s between %s and %s, %s", short(f.Size), f.From, f.To, when)
	case Stall, Reset:
	}
	return fmt.Sprintf("%s connections between %s and %s, %s", f.Kind, f.From, f.To, when)
}

// short writes a time without what is zero: 1m instead of 1m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// tidy puts faults in the order of their times, and of their places where these are equal.
func tidy(list []Fault) []Fault {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.where(), b.where())) })
	return out
}
