package telemetry_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/mesh/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func id(digit string) string { return strings.Repeat(digit, 16) }

func span(name, parent string, shared bool, at int64) telemetry.Span {
	return telemetry.Span{
		TraceID: id("0") + id("f"), ID: id(name), ParentID: parent, Shared: shared, Timestamp: at,
		LocalEndpoint: &telemetry.Endpoint{ServiceName: name},
	}
}

// With shared ids the server's span lies below the client's of the same id, and its own calls below itself.
func TestSharedIDs(t *testing.T) {
	tree := telemetry.MakeTree([]telemetry.Span{
		span("3", id("1"), false, 30), // a call of the server
		span("1", id("f"), true, 20),  // the server
		span("1", id("f"), false, 10), // the client
		span("1", id("f"), false, 10), // reported twice
	})
	require.Len(t, tree.Spans, 3)
	require.Equal(t, 3, tree.Depth)
	require.False(t, tree.Root.Span.Shared)
	require.True(t, tree.Root.Children[0].Span.Shared)
	require.Equal(t, id("3"), tree.Root.Children[0].Children[0].Span.ID)
}

func TestOrphansAndCircles(t *testing.T) {
	tree := telemetry.MakeTree([]telemetry.Span{
		span("1", "", false, 20), span("2", "", false, 10), // two roots, the earlier first
		span("4", id("3"), false, 30), span("5", id("4"), false, 40), // 3 is missing
		span("6", id("7"), false, 1), span("7", id("6"), false, 1), // a circle: no way leads there
	})
	require.Equal(t, id("2"), tree.Root.Span.ID)
	require.Len(t, tree.Roots, 2)
	require.Len(t, tree.Orphans, 1)
	require.Equal(t, 2, tree.Depth)
	require.Len(t, tree.Spans, 6)

	empty := telemetry.MakeTree(nil)
	require.Nil(t, empty.Root)
	require.Zero(t, empty.Depth)
}

// A shared span whose caller did not report is a root if its parent is outside, and then its children find it.
func TestSharedWithoutCaller(t *testing.T) {
	tree := telemetry.MakeTree([]telemetry.Span{span("1", "", true, 1), span("2", id("1"), false, 2)})
	require.Equal(t, 2, tree.Depth)
	require.Empty(t, tree.Orphans)
}

func TestLedger(t *testing.T) {
	var l telemetry.Ledger
	base := time.Unix(1000, 0)
	first := telemetry.Hop{RequestID: "0f4a2b1c-0000-4000-8000-000000000001", TraceID: "t1", Proxy: "gateway", Time: base}
	waited := make(chan []string, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	// The gateway may have changed the digit that tells of tracing.
	ids := []string{"0f4a2b1c-0000-9000-8000-000000000001", "two"}
	go func() { waited <- l.Wait(ctx, ids, "gateway") }()
	l.Add(telemetry.Hop{RequestID: "two", TraceID: "t2", Proxy: "sidecar", Time: base.Add(3 * time.Second)})
	l.Add(first)
	ended, end := context.WithCancel(t.Context())
	end()
	require.Equal(t, []string{"two"}, l.Wait(ended, ids, "gateway"), "a sidecar's hop is not the gateway's")
	l.Add(telemetry.Hop{RequestID: "two", TraceID: "t2", Proxy: "gateway", Time: base.Add(time.Second)})
	require.Empty(t, <-waited)
	require.Empty(t, l.Wait(ended, ids, "gateway"), "what is there needs no time")
	require.Empty(t, l.Wait(ended, nil))

	require.Equal(t, []telemetry.Hop{first}, l.ByRequest("0f4a2b1c-0000-b000-8000-000000000001"))
	require.Len(t, l.ByTrace("t2"), 2)
	require.Equal(t, "gateway", l.ByTrace("t2")[0].Proxy, "by time")
	require.Len(t, l.Hops(base.Add(time.Second), base.Add(3*time.Second)), 1)
	require.Equal(t, map[string]int{"gateway": 2, "sidecar": 1}, l.Counts())
	require.Equal(t, 3, l.Len())
	require.Len(t, l.All(), 3)
}

func TestLabels(t *testing.T) {
	l := telemetry.MakeLabels(map[string]string{"b": "2", "a": "1", "none": ""})
	require.Equal(t, telemetry.Labels{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}, l)
	require.Equal(t, "2", l.Get("b"))
	require.Empty(t, l.Get("c"))
	require.NotEqual(t, l.Key(), l[:1].Key())
}
