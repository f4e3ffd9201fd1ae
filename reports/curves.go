package reports

import (
	"fmt"
	"strings"
	"time"

	"github.com/squallmesh/squall/loadgen"
)

// rates draws how many requests a second were due, and how many whole answers came.
func rates(s *series, l *loadSeries) drawing {
	return draw("Rate of load "+l.name+" over time", func(width float64) *svg {
		c := newChart(s, width, 180, "requests/s")
		rate := func(counts []int, b int) float64 {
			from, to := s.edges(b)
			return float64(counts[b]) / max(to-from, 1e-9)
		}
		most := 0.0
		for b := range l.offered {
			most = max(most, rate(l.offered, b), rate(l.answered, b))
		}
		y := c.linear(most)
		steps := func(counts []int) string {
			var d strings.Builder
			for b := range counts {
				from, to := s.edges(b)
				v := y(rate(counts, b))
				op := "L"
				if b == 0 {
					op = "M"
				}
				fmt.Fprintf(&d, "%s%s %sL%s %s", op, px(c.x(from)), px(v), px(c.x(to)), px(v))
			}
			return d.String()
		}
		c.path("ln offered", steps(l.offered), "offered")
		c.path("ln s0", steps(l.answered), "achieved")
		return c.svg
	})
}

// quantiles that are drawn, with their classes.
var quantiles = []struct {
	q           float64
	name, class string
}{{0.99, "p99", "s2"}, {0.9, "p90", "s1 dash"}, {0.5, "p50", "s0 dots"}}

// latencies draws quantiles over time, counted from when requests were due.
func latencies(s *series, l *loadSeries) drawing {
	return draw("Latency of load "+l.name+" over time", func(width float64) *svg {
		c := newChart(s, width, 220, "latency, log scale")
		least, most := time.Duration(0), time.Duration(0)
		for _, b := range l.latencies {
			if len(b) == 0 {
				continue
			}
			if p50 := loadgen.Quantile(b, 0.5); least == 0 || p50 < least {
				least = p50
			}
			most = max(most, loadgen.Quantile(b, 0.99))
		}
		y := c.logarithmic(least, most)
		for _, q := range quantiles {
			c.path("ln "+q.class, curve(c, l, func(b []time.Duration) float64 { return y(loadgen.Quantile(b, q.q)) }), q.name)
			for b, values := range l.latencies {
				alone := (b == 0 || len(l.latencies[b-1]) == 0) && (b == len(l.latencies)-1 || len(l.latencies[b+1]) == 0)
				if alone && len(values) > 0 {
					from, to := s.edges(b)
					c.dot("fill "+q.class, c.x((from+to)/2), y(loadgen.Quantile(values, q.q)))
				}
			}
		}
		return c.svg
	})
}

// curve joins the middles of buckets, and leaves a gap where there was no request.
func curve(c *chart, l *loadSeries, y func([]time.Duration) float64) string {
	var d strings.Builder
	op := "M"
	for b, values := range l.latencies {
		if len(values) == 0 {
			op = "M"
			continue
		}
		from, to := c.s.edges(b)
		fmt.Fprintf(&d, "%s%s %s", op, px(c.x((from+to)/2)), px(y(values)))
		op = "L"
	}
	if d.Len() == 0 {
		return "M0 0"
	}
	return d.String()
}

// layer is one part of stacked bars.
type layer struct{ Name, Class string }

var outcomeLayers = []layer{{classes[0], "s0"}, {classes[1], "s3"}, {classes[2], "s2"}, {classes[3], "s4"}}

// statuses draws outcomes over time.
func statuses(s *series, l *loadSeries) drawing {
	return stack("Outcomes of load "+l.name+" over time", "requests per bar", s, outcomeLayers, l.outcomes)
}

// flagLayers are the most common flags; others share the last colour.
func flagLayers(s *series) []layer {
	var out []layer
	for i, name := range s.flagNames {
		out = append(out, layer{name, fmt.Sprintf("s%d", min(i, 7))})
	}
	return out
}

// flagBars draws response flags over time.
func flagBars(s *series) drawing {
	return stack("Response flags over time", "calls per bar", s, flagLayers(s), s.flags)
}

func stack(label, unit string, s *series, layers []layer, counts []map[string]int) drawing {
	return draw(label, func(width float64) *svg {
		c := newChart(s, width, 180, unit)
		most := 0
		for _, bucket := range counts {
			sum := 0
			for _, n := range bucket {
				sum += n
			}
			most = max(most, sum)
		}
		y := c.linear(float64(most))
		for b, bucket := range counts {
			from, to := s.edges(b)
			base := 0
			for _, l := range layers {
				n := bucket[l.Name]
				if n == 0 {
					continue
				}
				title := fmt.Sprintf("%s – %s: %d × %s", at(from), at(to), n, l.Name)
				c.rect("fill "+l.Class, c.x(from)+0.5, y(float64(base+n)), c.x(to)-c.x(from)-1, y(float64(base))-y(float64(base+n)), title)
				base += n
			}
		}
		return c.svg
	})
}
