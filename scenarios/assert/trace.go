package assert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// trace judges the shape of the traces of a load's requests.
func trace(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	want := c.Trace
	name := want.Load
	if name == "" && len(r.Scenario.Spec.Load) > 0 {
		name = r.Scenario.Spec.Load[0].Name
	}
	byID := map[string][]telemetry.Span{}
	for _, s := range r.Spans {
		byID[s.TraceID] = append(byID[s.TraceID], s)
	}
	results := r.Within(p, name)
	if len(results) == 0 {
		return inconclusive("load %s sent nothing in phase %s", name, p.Name)
	}
	good, found, odd := 0, 0, ""
	for i := range results {
		spans := byID[results[i].TraceID]
		if len(spans) == 0 {
			continue
		}
		found++
		if diff := shape(want, telemetry.MakeTree(spans)); diff == "" {
			good++
		} else if odd == "" {
			odd = fmt.Sprintf("trace %s %s", results[i].TraceID, diff)
		}
	}
	if found < len(results) {
		return inconclusive("%d of %d requests of phase %s have no trace", len(results)-found, len(results), p.Name)
	}
	share := want.Share
	if share == 0 {
		share = 100
	}
	o := compare("share of traces of this shape", spec.Bound{Op: ">=", Value: share, Unit: spec.Percent},
		100*float64(good)/float64(found), found)
	if o.verdict == record.Fail {
		o.reason += "; " + odd
	}
	return o
}

// shape says how a trace differs from what is wanted, or "".
func shape(want *spec.Trace, t telemetry.Tree) string {
	if len(t.Orphans) > 0 {
		return fmt.Sprintf("has %d spans whose parents are missing", len(t.Orphans))
	}
	if want.Root != "" {
		if len(t.Roots) != 1 {
			return fmt.Sprintf("has %d roots", len(t.Roots))
		}
		if got := short(t.Root.Span.Service()); got != want.Root {
			return fmt.Sprintf("begins at %s", got)
		}
	}
	if want.Services != nil {
		var got []string
		for _, s := range t.Services {
			got = append(got, short(s))
		}
		slices.Sort(got)
		wanted := slices.Sorted(slices.Values(want.Services))
		if !slices.Equal(got, wanted) {
			return "has the services " + strings.Join(got, ", ")
		}
	}
	if want.Spans != 0 && len(t.Spans) != want.Spans {
		return fmt.Sprintf("has %d spans", len(t.Spans))
	}
	for _, s := range t.Spans {
		for _, name := range slices.Sorted(maps.Keys(want.Tags)) {
			if got, ok := s.Tags[name]; !ok || got != want.Tags[name] {
				return fmt.Sprintf("has a span of %s whose tag %s is %q", short(s.Service()), name, got)
			}
		}
	}
	if want.Depth != 0 && t.Depth != want.Depth {
		return fmt.Sprintf("has depth %d", t.Depth)
	}
	return ""
}

// short is a service's name without its namespace: spans say reviews.default.
func short(service string) string {
	name, _, _ := strings.Cut(service, ".")
	return name
}
