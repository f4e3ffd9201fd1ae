package reports

import (
	"fmt"
	"slices"

	"github.com/squallmesh/squall/mesh/telemetry/graph"
	"github.com/squallmesh/squall/scenarios/record"
)

// graphOf finds who called whom after the warm-up, over length seconds.
func graphOf(r *record.Run, length float64) graph.Graph {
	members := make([]graph.Member, len(r.Workloads))
	for i, w := range r.Workloads {
		members[i] = graph.MemberOf(w.Name, w.Owner, w.Labels, w.Address, w.Proxy)
	}
	return graph.Of(members, r.Hops, r.Start, length)
}

// GraphPage writes a page of its own with the picture of a service graph; refresh is how many seconds it is shown before it is asked for
// again, 0 for ever.
func GraphPage(g graph.Graph, refresh int) string {
	again := ""
	if refresh > 0 {
		again = fmt.Sprintf(`<meta http-equiv="refresh" content="%d">`, refresh)
	}
	body := `<p>Nothing was called.</p>`
	if len(g.Edges) > 0 {
		body = string(drawGraphs(g.Edges))
	}
	return fmt.Sprintf(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">%s`+
		`<title>Service graph</title><style>%s</style></head><body><main><h1>Service graph</h1><p>Over the last %s s.</p>%s</main></body></html>`,
		again, pageStyle, digits(g.Seconds), body)
}

// ranks tells how far each node is from where calls begin, and the nodes of each distance, sorted.
func ranks(calls []*graph.Edge) [][]string {
	rank := map[string]int{}
	called := map[string]bool{}
	for _, c := range calls {
		called[c.To] = true
	}
	var queue []string
	start := func(name string) {
		if _, seen := rank[name]; !seen {
			rank[name] = 0
			queue = append(queue, name)
		}
	}
	visit := func() {
		for len(queue) > 0 {
			from := queue[0]
			queue = queue[1:]
			for _, c := range calls {
				if _, seen := rank[c.To]; c.From == from && !seen {
					rank[c.To] = rank[from] + 1
					queue = append(queue, c.To)
				}
			}
		}
	}
	for _, c := range calls {
		if !called[c.From] {
			start(c.From)
		}
	}
	visit()
	for _, c := range calls { // what is left calls itself in a circle
		start(c.From)
		visit()
	}
	var out [][]string
	for name, n := range rank {
		for len(out) <= n {
			out = append(out, nil)
		}
		out[n] = append(out[n], name)
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out
}
