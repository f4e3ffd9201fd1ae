package graph_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/graph"
)

func TestGraph(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	members := []graph.Member{
		{App: "gw", Address: "127.0.0.1", Proxy: "g"},
		{App: "a", Version: "v1", Address: "127.0.0.2", Proxy: "a1"},
		{App: "a", Version: "v2", Address: "127.0.0.3", Proxy: "a2"},
		{App: "b", Address: "127.0.0.4", Proxy: "b"},
	}
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	hops := []telemetry.Hop{
		{Time: at(-1), Proxy: "g", Direction: telemetry.Gateway, UpstreamAddress: "127.0.0.2:80", Status: 200}, // warm-up
		{Time: at(1), Proxy: "g", Direction: telemetry.Gateway, UpstreamAddress: "127.0.0.2:80", Status: 200, Duration: 2 * time.Millisecond},
		{Time: at(2), Proxy: "g", Direction: telemetry.Gateway, UpstreamAddress: "127.0.0.3:80", Status: 503, Flags: []string{"URX"}, Duration: 8 * time.Millisecond},
		{Time: at(2), Proxy: "a1", Direction: telemetry.Inbound, UpstreamAddress: "127.0.0.2:80", Status: 200},
		{Time: at(3), Proxy: "a1", Direction: telemetry.Outbound, Cluster: "outbound|80||b.default.svc.cluster.local", Flags: []string{"UF"}, Status: 503},
		{Time: at(3), Proxy: "a1", Direction: telemetry.Outbound, Cluster: "outbound|80||a.default.svc.cluster.local", Status: 503},
		{Time: at(4), Proxy: "a2", Direction: telemetry.Outbound, Cluster: "outbound|443||outside.example", Status: 200, GRPCStatus: "14"},
	}
	g := graph.Of(members, hops, start, 10)
	type edge struct {
		from, to      string
		calls, errors int
		p99           float64
	}
	var got []edge
	for _, e := range g.Edges {
		got = append(got, edge{e.From, e.To, e.Calls, e.Errors, e.P99})
	}
	require.Equal(t, []edge{
		{"a v1", "a (none reached)", 1, 1, 0},
		{"a v1", "b", 1, 1, 0},
		{"a v2", "outside.example (none reached)", 1, 1, 0},
		{"gw", "a v1", 1, 0, 2},
		{"gw", "a v2", 1, 1, 8},
		{"load", "gw", 2, 1, 8},
	}, got)
	require.InDelta(t, 0.2, g.Edges[5].Rate, 1e-9)
	require.Equal(t, map[string]int{"URX": 1}, g.Edges[5].Flags)

	var dot strings.Builder
	require.NoError(t, g.WriteDOT(&dot))
	require.Contains(t, dot.String(), `  "load" -> "gw" [label="0.2/s, p99 8 ms, 50 % failed", color=red];`)
	require.Contains(t, dot.String(), `  "gw" -> "a v1" [label="0.1/s, p99 2 ms"];`)
}
