package calibrate

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/sim/dist"
	"github.com/squallmesh/squall/mesh/sim/topology"
	"github.com/squallmesh/squall/mesh/telemetry"
)

// graph is who calls whom, as traces show it.
type graph struct {
	// calls counts the sequences of services that a service called.
	calls  map[string]map[string]int
	owners map[string]map[string]bool
}

func newGraph() *graph {
	return &graph{calls: map[string]map[string]int{}, owners: map[string]map[string]bool{}}
}

func (g *graph) add(host, owner string, calls []*telemetry.Span) {
	var names []string
	for _, c := range calls {
		names = append(names, hostOf(c))
	}
	if g.calls[host] == nil {
		g.calls[host], g.owners[host] = map[string]int{}, map[string]bool{}
	}
	g.calls[host][strings.Join(names, " ")]++
	g.owners[host][owner] = true
}

// services are those of the graph: each makes the calls that it made most often, and works as its workloads did together.
func (g *graph) services(work map[string][]time.Duration, proxy time.Duration) (out []topology.GraphService, err error) {
	for _, host := range slices.Sorted(maps.Keys(g.calls)) {
		s := topology.GraphService{Name: host, Replicas: len(g.owners[host])}
		usual, most := "", 0
		for _, names := range slices.Sorted(maps.Keys(g.calls[host])) {
			if n := g.calls[host][names]; n > most {
				usual, most = names, n
			}
		}
		for name := range strings.FieldsSeq(usual) {
			if g.calls[name] != nil { // others are outside the mesh
				s.Calls = append(s.Calls, name)
			}
		}
		var all []time.Duration
		for _, owner := range slices.Sorted(maps.Keys(g.owners[host])) {
			all = append(all, work[owner]...)
		}
		fit, err := dist.Fit(above(all, proxy))
		if err != nil {
			return nil, err
		}
		s.Work = *text(fit)
		out = append(out, s)
	}
	return out, nil
}
