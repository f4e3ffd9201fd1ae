package reports

import (
	"cmp"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
)

// call is an edge of the service graph.
type call struct {
	From, To      string
	Calls, Errors int
	// Rate in calls a second over the judged time.
	Rate  float64
	Flags map[string]int
}

// Share of calls that failed, in percent.
func (c *call) Share() float64 { return 100 * float64(c.Errors) / float64(max(c.Calls, 1)) }

// loadNode is where requests come from.
const loadNode = "load"

// calls finds, over length seconds, who called whom, by the logs of the callers' proxies after the warm-up, sorted.
func calls(r *record.Run, length float64) []*call {
	byAddress, byProxy := map[string]record.Workload{}, map[string]record.Workload{}
	for _, w := range r.Workloads {
		byAddress[w.Address], byProxy[w.Proxy] = w, w
	}
	edges := map[[2]string]*call{}
	add := func(from, to string, failed bool, flags []string) {
		key := [2]string{from, to}
		e := edges[key]
		if e == nil {
			e = &call{From: from, To: to, Flags: map[string]int{}}
			edges[key] = e
		}
		e.Calls++
		if failed {
			e.Errors++
		}
		for _, f := range flags {
			e.Flags[f]++
		}
	}
	for i := range r.Hops {
		h := &r.Hops[i]
		if h.Direction == telemetry.Inbound || h.Time.Before(r.Start) {
			continue
		}
		from := h.Workload
		if w, ok := byProxy[h.Proxy]; ok {
			from = node(w)
		}
		if from == "" {
			from = h.Proxy
		}
		if h.Direction == telemetry.Gateway {
			add(loadNode, from, failed(h), h.Flags)
		}
		if w, ok := byAddress[host(h.UpstreamAddress)]; ok {
			add(from, node(w), failed(h), h.Flags)
		} else if to := unreached(r, h); to != "" {
			add(from, to, failed(h), h.Flags)
		}
	}
	for i := range r.Hops { // a run may have been ended before its phases were
		length = max(length, r.Hops[i].Time.Sub(r.Start).Seconds())
	}
	var out []*call
	for _, e := range edges {
		e.Rate = float64(e.Calls) / max(length, 1)
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *call) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return out
}

// node names a workload in the graph: app and version.
func node(w record.Workload) string {
	app := cmp.Or(w.Labels["app"], w.Owner, w.Name)
	if v := w.Labels["version"]; v != "" {
		return app + " " + v
	}
	return app
}

// unreached names whom a hop was meant for that reached no known workload: by its cluster, or else by its authority.
func unreached(r *record.Run, h *telemetry.Hop) string {
	parts := strings.Split(h.Cluster, "|")
	if len(parts) != 4 {
		return cmp.Or(host(h.UpstreamAddress), host(h.Authority), h.Cluster)
	}
	app, _, _ := strings.Cut(parts[3], ".")
	if strings.Count(parts[3], ".") == 0 || !strings.Contains(parts[3], ".svc.") {
		app = parts[3]
	}
	found := map[string]bool{}
	for _, w := range r.Workloads {
		if w.Labels["app"] == app && (parts[2] == "" || w.Labels["version"] == parts[2]) {
			found[node(w)] = true
		}
	}
	if len(found) == 1 {
		for name := range found {
			return name
		}
	}
	return app + " (none reached)"
}

// failed tells whether a caller would count a call as failed: no answer, a status of 500 or more, or one of gRPC's that mean
// the server's fault, as OpenTelemetry has them.
func failed(h *telemetry.Hop) bool {
	if h.TCP {
		return len(h.Flags) > 0
	}
	return h.Status == 0 || h.Status >= 500 || slices.Contains([]string{"2", "4", "12", "13", "14", "15"}, h.GRPCStatus)
}

func host(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		return strings.Trim(address[:i], "[]")
	}
	return address
}

// ranks tells how far each node is from where calls begin, and the nodes of each distance, sorted.
func ranks(calls []*call) [][]string {
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
