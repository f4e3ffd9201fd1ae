package graph

import (
	"cmp"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// Outside is the node of callers that are no part of the mesh: people, load generators.
const Outside = "load"

// Member is one workload of the mesh.
type Member struct {
	// App and Version are what its node is called by: its labels, or for App whatever else it is known as.
	App, Version string
	// Address without a port, and the id of its proxy's node.
	Address, Proxy string
}

// MemberOf is a workload by its label app, else its Deployment, else its own name, and by its label version.
func MemberOf(name, deployment string, labels map[string]string, address, proxy string) Member {
	return Member{App: cmp.Or(labels["app"], deployment, name), Version: labels["version"], Address: address, Proxy: proxy}
}

// Node is its name in the graph: all workloads of one app and version are one node.
func (m Member) Node() string {
	if m.Version != "" {
		return m.App + " " + m.Version
	}
	return m.App
}

// Graph is who called whom.
type Graph struct {
	// Seconds are the time over which rates are.
	Seconds float64 `json:"seconds"`
	Edges   []*Edge `json:"edges"`
}

// Edge is what one node called another.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Calls are requests and connections, and Errors those of them that failed.
	Calls  int `json:"calls"`
	Errors int `json:"errors"`
	// Rate in calls a second.
	Rate float64 `json:"rate"`
	// P50 and P99 of the calls' durations, in milliseconds.
	P50 float64 `json:"p50Milliseconds"`
	P99 float64 `json:"p99Milliseconds"`
	// Flags counts Envoy's response flags.
	Flags map[string]int `json:"flags,omitempty"`

	durations []time.Duration
}

// Share of the calls that failed, in percent.
func (e *Edge) Share() float64 { return 100 * float64(e.Errors) / float64(max(e.Calls, 1)) }

// Of makes the graph of hops that began at or after a time. Rates are over so many seconds, or over the time until the last hop if that is
// longer. Edges are sorted by their ends.
func Of(members []Member, hops []telemetry.Hop, since time.Time, seconds float64) Graph {
	b := builder{members: members, byAddress: map[string]Member{}, byProxy: map[string]Member{}, edges: map[[2]string]*Edge{}}
	for _, m := range members {
		b.byAddress[m.Address], b.byProxy[m.Proxy] = m, m
	}
	for i := range hops {
		h := &hops[i]
		if h.Direction != telemetry.Inbound && !h.Time.Before(since) {
			b.add(h)
			seconds = max(seconds, h.Time.Sub(since).Seconds())
		}
	}
	g := Graph{Seconds: max(seconds, 1), Edges: []*Edge{}}
	for _, e := range b.edges {
		slices.Sort(e.durations)
		e.Rate = float64(e.Calls) / g.Seconds
		e.P50, e.P99 = quantile(e.durations, 0.5), quantile(e.durations, 0.99)
		g.Edges = append(g.Edges, e)
	}
	slices.SortFunc(g.Edges, func(a, b *Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return g
}

type builder struct {
	members            []Member
	byAddress, byProxy map[string]Member
	edges              map[[2]string]*Edge
}

// add counts what a caller's proxy logged; a gateway's is a call to the gateway as well.
func (b *builder) add(h *telemetry.Hop) {
	from := cmp.Or(h.Workload, h.Proxy)
	if m, ok := b.byProxy[h.Proxy]; ok {
		from = m.Node()
	}
	if h.Direction == telemetry.Gateway {
		b.count(Outside, from, h)
	}
	if m, ok := b.byAddress[host(h.UpstreamAddress)]; ok {
		b.count(from, m.Node(), h)
	} else if to := b.unreached(h); to != "" {
		b.count(from, to, h)
	}
}

func (b *builder) count(from, to string, h *telemetry.Hop) {
	key := [2]string{from, to}
	e := b.edges[key]
	if e == nil {
		e = &Edge{From: from, To: to, Flags: map[string]int{}}
		b.edges[key] = e
	}
	e.Calls++
	if Failed(h) {
		e.Errors++
	}
	for _, f := range h.Flags {
		e.Flags[f]++
	}
	e.durations = append(e.durations, h.Duration)
}

// unreached names whom a hop was meant for that reached no known workload: by its cluster, or else by its authority.
func (b *builder) unreached(h *telemetry.Hop) string {
	parts := strings.Split(h.Cluster, "|")
	if len(parts) != 4 {
		return cmp.Or(host(h.UpstreamAddress), host(h.Authority), h.Cluster)
	}
	app, _, _ := strings.Cut(parts[3], ".")
	if !strings.Contains(parts[3], ".svc.") {
		app = parts[3]
	}
	var found []string
	for _, m := range b.members {
		if m.App == app && (parts[2] == "" || m.Version == parts[2]) && !slices.Contains(found, m.Node()) {
			found = append(found, m.Node())
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return app + " (none reached)"
}

// Failed tells whether a caller would count a call as failed: no answer, a status of 500 or more, or one of gRPC's that mean the server's
// fault, as OpenTelemetry has them; for a connection, any flag.
func Failed(h *telemetry.Hop) bool {
	if h.TCP {
		return len(h.Flags) > 0
	}
	return h.Status == 0 || h.Status >= 500 || slices.Contains([]string{"2", "4", "12", "13", "14", "15"}, h.GRPCStatus)
}

// quantile of sorted durations in milliseconds: the smallest value that at least so many are not above.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q * float64(len(sorted)))
	return float64(sorted[min(rank, len(sorted)-1)]) / float64(time.Millisecond)
}

// host is an address without its port.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}
