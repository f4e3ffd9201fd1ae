package reports

import (
	"fmt"
	"math"
	"strings"

	"github.com/squallmesh/squall/mesh/telemetry/graph"
)

// place is where a node is drawn: its middle.
type place struct{ x, y, w, h float64 }

// drawGraphs draws who called whom: to the right on a wide page, downwards on a narrow one.
func drawGraphs(calls []*graph.Edge) drawing {
	return draw("Service graph", func(width float64) *svg {
		rows := ranks(calls)
		if width < 600 {
			return drawGraph(calls, width, placeDown(rows, width), false)
		}
		return drawGraph(calls, width, placeRight(rows, width), true)
	})
}

func placeRight(rows [][]string, width float64) map[string]place {
	const h, gap = 34.0, 40.0
	w := min(150, (width-4)/float64(max(len(rows), 1))*0.61)
	most := 0
	for _, r := range rows {
		most = max(most, len(r))
	}
	height := float64(most)*(h+gap) + 10
	out := map[string]place{}
	for i, names := range rows {
		x := w/2 + 2
		if len(rows) > 1 {
			x += float64(i) * (width - w - 4) / float64(len(rows)-1)
		}

		for k, name := range names {
			out[name] = place{x, height * (float64(k) + 0.5) / float64(len(names)), w, h}
		}
	}
	return out
}

func placeDown(rows [][]string, width float64) map[string]place {
	const w, h, gap, perRow = 106.0, 40.0, 34.0, 3
	out := map[string]place{}
	y := h/2 + 2
	for _, names := range rows {
		for len(names) > 0 {
			n := min(perRow, len(names))
			for k, name := range names[:n] {
				out[name] = place{width * (float64(k) + 0.5) / float64(n), y, w, h}
			}
			names = names[n:]
			y += h + gap
		}
	}
	return out
}

func drawGraph(calls []*graph.Edge, width float64, places map[string]place, right bool) *svg {
	s := &svg{width: width}
	for _, p := range places {
		s.height = max(s.height, p.y+p.h/2+16)
	}
	var labels []func()
	for _, c := range calls {
		d, x, y := edge(places[c.From], places[c.To], right)
		class := "edge"
		if c.Errors > 0 {
			class = "edge bad"
		}
		thick := 1 + min(max(math.Log2(1+c.Rate), 0), 6)/1.5
		title := fmt.Sprintf("%s → %s: %d calls, %s/s, %s failed, p50 %s ms, p99 %s ms",
			c.From, c.To, c.Calls, digits(c.Rate), percent(c.Share()), digits(c.P50), digits(c.P99))
		fmt.Fprintf(&s.b, `<g style="stroke-width:%s">`, px(thick))
		s.path(class, d, title)
		s.b.WriteString("</g>")
		if !right {
			continue
		}
		labels = append(labels, func() {
			s.text("halo", "middle", x, y-6, digits(c.Rate)+"/s")
			if c.Errors > 0 {
				s.text("halo badtext", "middle", x, y+16, percent(c.Share())+" failed")
			}
		})
	}
	for _, name := range sortedKeys(places) {
		p := places[name]
		s.rect("node", p.x-p.w/2, p.y-p.h/2, p.w, p.h, name)
		if app, version, ok := strings.Cut(name, " "); ok && float64(len(name))*textWidth > p.w-8 {
			s.text("b", "middle", p.x, p.y-3, fit(app, p.w-6))
			s.text("t", "middle", p.x, p.y+12, fit(version, p.w-6))
			continue
		}
		s.text("b", "middle", p.x, p.y+4, fit(name, p.w-6))
	}
	for _, label := range labels {
		label()
	}
	return s
}

// percent keeps two digits, and never rounds some failures to none nor some answers to none.
func percent(share float64) string {
	switch {
	case share > 0 && share < 0.1:
		return "<0.1 %"
	case share < 100 && share > 99.9:
		return ">99.9 %"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", share), ".0") + " %"
}

// edge is the way from one node to another, and where its label goes.
func edge(a, b place, right bool) (d string, x, y float64) {
	x1, y1, x2, y2 := a.x, a.y+a.h/2, b.x, b.y-b.h/2
	if right {
		x1, y1, x2, y2 = a.x+a.w/2, a.y, b.x-b.w/2, b.y
	}
	if right && x2 > x1 {
		m := (x1 + x2) / 2
		if y1 == y2 {
			return fmt.Sprintf("M%s %sL%s %s", px(x1), px(y1), px(x2), px(y2)), m, y1
		}
		// The label lies nearer to the callee: there the lines are apart.
		return fmt.Sprintf("M%s %sC%s %s %s %s %s %s", px(x1), px(y1), px(m), px(y1), px(m), px(y2), px(x2), px(y2)), x1 + 0.6*(x2-x1), y1 + 0.65*(y2-y1)
	}
	if !right && y2 > y1 {
		m := (y1 + y2) / 2
		return fmt.Sprintf("M%s %sC%s %s %s %s %s %s", px(x1), px(y1), px(x1), px(m), px(x2), px(m), px(x2), px(y2)), (x1 + x2) / 2, m
	}
	// Back, to the side, or to itself: around below.
	x1, y1, x2, y2 = a.x+10, a.y+a.h/2, b.x-10, b.y+b.h/2
	below := max(y1, y2) + 22
	return fmt.Sprintf("M%s %sC%s %s %s %s %s %s", px(x1), px(y1), px(x1), px(below), px(x2), px(below), px(x2), px(y2)), (x1 + x2) / 2, below
}
