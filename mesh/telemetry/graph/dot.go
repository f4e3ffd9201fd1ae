package graph

import (
	"fmt"
	"io"
	"strings"
)

// WriteDOT writes the graph in Graphviz' language: an edge is labelled with its rate, the share that failed and its p99.
func (g Graph) WriteDOT(w io.Writer) error {
	var b strings.Builder
	b.WriteString("digraph mesh {\n  rankdir=LR;\n  node [shape=box];\n")
	for _, e := range g.Edges {
		label, colour := fmt.Sprintf("%.3g/s, p99 %.3g ms", e.Rate, e.P99), ""
		if e.Errors > 0 {
			label += fmt.Sprintf(", %.3g %% failed", e.Share())
			colour = ", color=red"
		}
		fmt.Fprintf(&b, "  %s -> %s [label=%s%s];\n", quoted(e.From), quoted(e.To), quoted(label), colour)
	}
	b.WriteString("}\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the graph: %w", err)
	}
	return nil
}

// quoted is a string of DOT, in which a backslash has a meaning but before a quotation mark none.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(s) + `"`
}
