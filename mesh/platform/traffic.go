package platform

import (
	"context"
	"fmt"
	"strings"

	"github.com/squallmesh/squall/mesh/xds/translate"
)

// Traffic is what a proxy counts, since it started, of what its log must have.
type Traffic struct {
	// Active are requests under way, Completed those that are over.
	Active, Completed uint64
	// Connections over TCP that were accepted.
	Connections uint64
	// Spans that were sent: none of a request that was not sampled.
	Spans uint64
}

// Pending says what a proxy has under way, or has not reported of what it counts, or "".
func (t Traffic) Pending(name string, requests, connections int) string {
	switch {
	case t.Active > 0:
		return fmt.Sprintf("%s has %d requests in flight", name, t.Active)
	case uint64(requests) < t.Completed:
		return fmt.Sprintf("%s reported %d of %d requests", name, requests, t.Completed)
	case uint64(connections) < t.Connections:
		return fmt.Sprintf("%s reported %d of %d connections", name, connections, t.Connections)
	}
	return ""
}

// TrafficOf asks an instance's proxy. Open tunnels (CONNECT) are left out: what comes out of them is counted.
func TrafficOf(ctx context.Context, i *Instance) (t Traffic, err error) {
	stats, err := i.Admin().Stats(ctx, `^(http\..*downstream_rq_(active|completed)|tcp\..*downstream_cx_total|tracing\..*\.spans_sent|cluster\.`+
		translate.ConnectListener+`[|;].*\.upstream_rq_(active|200))$`)
	if err != nil {
		return t, err
	}
	var opened, open uint64
	for name, v := range stats.Values {
		switch {
		case strings.HasPrefix(name, "http.admin."):
		case strings.HasPrefix(name, "tracing."):
			t.Spans += v
		case strings.HasPrefix(name, "tcp."):
			t.Connections += v
		case strings.HasSuffix(name, "downstream_rq_active"):
			t.Active += v
		case strings.HasSuffix(name, "completed"):
			t.Completed += v
		case strings.HasSuffix(name, "upstream_rq_active"):
			open += v
		case !strings.Contains(name, ".external."):
			opened += v
		}
	}
	t.Active -= min(open, t.Active)
	t.Completed -= min(opened, t.Completed)
	return t, nil
}
