// Package plan is what the engines make of a scenario alike: the order of its timeline, its words, its faults in the mesh's terms, and the
// times of a run that no scenario sets.
package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/scenarios/spec"
)

// The times of a run that no scenario sets.
const (
	// Lead is how long before the first request everything else is ready: logins happen in it.
	Lead = 300 * time.Millisecond
	// Guard ends a phase a little before what ends it, so that requests at its edge have it whole.
	Guard = 100 * time.Millisecond
	// Quiesce bounds how long a change waits for requests of the phase before it.
	Quiesce = time.Second
	// Poll is how often conditions and guard rails are looked at.
	Poll = 100 * time.Millisecond
	// Drain bounds how long an instance that is scaled away may take over the requests that it has.
	Drain = 10 * time.Second
)

// Order gives the indexes of a timeline's items in the order of their times.
func Order(items []spec.Item) []int {
	order := make([]int, len(items))
	for i := range items {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(items[a].At, items[b].At) })
	return order
}

// Where is the path of a timeline item in the scenario's file.
func Where(i int) string { return fmt.Sprintf("spec.timeline[%d]", i) }

// Until is when the effect of an item that happened at a time ends, or 0 if it does not: a fault or a hold without a time of its own
// lasts to the end of the load.
func Until(f *spec.File, item spec.Item, at time.Duration) time.Duration {
	switch {
	case item.For > 0:
		return at + item.For.D()
	case item.Fault != nil, item.Hold != nil:
		return f.End()
	}
	return 0
}

// Start is when a load begins, from t = 0: one that starts with the scenario has the warm-up before it.
func Start(f *spec.File, l spec.Load) time.Duration {
	if l.At == 0 {
		return -f.WarmupTime()
	}
	return l.At.D()
}

// Leased gives the fault that a lease carries, or nil for other faults.
func Leased(f *spec.Fault) *model.LeasedFault {
	if f == nil {
		return nil
	}
	h := f.Delay
	if h == nil {
		h = f.Abort
	}
	if h == nil {
		return nil
	}
	percent := 100.0
	if h.Percent != nil {
		percent = *h.Percent
	}
	out := &model.LeasedFault{Host: Host(h.To)}
	if h.From != "" {
		out.From = map[string]string{"app": h.From}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		out.Headers = append(out.Headers, model.NamedMatch{Name: name, StringMatch: model.StringMatch{Kind: model.Exact, Value: h.Headers[name]}})
	}
	if f.Delay != nil {
		out.Delay = &model.Delay{Fixed: h.Fixed.D(), Percent: percent}
	} else {
		out.Abort = &model.Abort{HTTPStatus: h.Status, GRPCStatus: h.GRPCStatus, Percent: percent}
	}
	return out
}

// Host gives the full name of a service of the default namespace.
func Host(name string) string {
	switch strings.Count(name, ".") {
	case 0:
		return name + ".default.svc.cluster.local"
	case 1:
		return name + ".svc.cluster.local"
	}
	return name
}
