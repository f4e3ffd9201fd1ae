package telemetry

import (
	"cmp"
	"slices"
	"strings"
)

// Node is a span with those that it caused.
type Node struct {
	Span     Span
	Children []*Node
}

// Tree is a trace put in order.
type Tree struct {
	TraceID string
	// Root is the root that began first; nil for a trace without spans, or whose spans all lack their parents.
	Root *Node
	// Roots are all: a span without a parent, or whose parent is the low half of the trace id, which is how a caller outside
	// of the mesh names itself without reporting a span.
	Roots []*Node
	// Orphans are spans whose parent did not arrive, with what hangs below them.
	Orphans []*Node
	// Spans are all, by time.
	Spans []Span
	// Services that recorded them, sorted, without duplicates.
	Services []string
	// Depth is the number of spans on the longest way from a root or an orphan down.
	Depth int
}

// nodeKey tells apart two spans of one id: a server's that shares its caller's.
type nodeKey struct {
	id     string
	shared bool
}

// MakeTree puts the spans of one trace in order. A span that arrived twice counts once.
//
// Where ids are not shared a server's span names its caller's as its parent. Where they are (Shared) the server's hangs below
// the caller's of the same id, and what the server calls in turn hangs below the server's.
func MakeTree(spans []Span) Tree {
	var t Tree
	nodes := map[nodeKey]*Node{}
	for _, s := range spans {
		key := nodeKey{s.ID, s.Shared}
		if _, twice := nodes[key]; !twice {
			nodes[key] = &Node{Span: s}
			t.Spans = append(t.Spans, s)
		}
	}
	slices.SortStableFunc(t.Spans, compareSpans)
	services := map[string]bool{}
	for _, s := range t.Spans {
		t.TraceID = max(t.TraceID, s.TraceID)
		if s.Service() != "" {
			services[s.Service()] = true
		}
		node := nodes[nodeKey{s.ID, s.Shared}]
		switch parent := parentOf(nodes, s); {
		case parent != nil:
			parent.Children = append(parent.Children, node)
		case s.ParentID == "" || strings.HasSuffix(s.TraceID, s.ParentID) && len(s.ParentID) == 16:
			t.Roots = append(t.Roots, node)
		default:
			t.Orphans = append(t.Orphans, node)
		}
	}
	for service := range services {
		t.Services = append(t.Services, service)
	}
	slices.Sort(t.Services)
	if len(t.Roots) > 0 {
		t.Root = t.Roots[0]
	}
	seen := map[*Node]bool{}
	for _, n := range slices.Concat(t.Roots, t.Orphans) {
		t.Depth = max(t.Depth, depth(n, seen))
	}
	return t
}

func compareSpans(a, b Span) int {
	return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(b.Duration, a.Duration), cmp.Compare(a.ID, b.ID))
}

func parentOf(nodes map[nodeKey]*Node, s Span) *Node {
	if s.Shared {
		if caller := nodes[nodeKey{s.ID, false}]; caller != nil {
			return caller
		}
	}
	if s.ParentID == "" || s.ParentID == s.ID {
		return nil
	}
	if server := nodes[nodeKey{s.ParentID, true}]; server != nil {
		return server
	}
	return nodes[nodeKey{s.ParentID, false}]
}

// depth is bounded by seen, should spans name each other in a circle.
func depth(n *Node, seen map[*Node]bool) int {
	if seen[n] {
		return 0
	}
	seen[n] = true
	deepest := 0
	for _, c := range n.Children {
		deepest = max(deepest, depth(c, seen))
	}
	return deepest + 1
}
