package reports

import (
	"fmt"
	"math"
	"time"
)

// heatRows is how many cells a heat map has from below to above, and heatShades how many shades a cell may have.
const (
	heatRows   = 24
	heatShades = 6
)

// heat draws how many requests took how long, by when they were due: a cell's shade is by the square root of its number, so that
// the few slow ones among many fast ones can be seen.
func heat(s *series, l *loadSeries) drawing {
	return draw("Latencies of load "+l.name+" over time, all of them", func(width float64) *svg {
		c := newChart(s, width, 220, "latency, log scale")
		least, most := time.Duration(0), time.Duration(0)
		for _, b := range l.latencies {
			if len(b) == 0 {
				continue
			}
			if least == 0 || b[0] < least {
				least = b[0]
			}
			most = max(most, b[len(b)-1])
		}
		y := c.logarithmic(least, most)
		height := (c.bottom - c.top) / heatRows
		cells := make([][heatRows]int, len(l.latencies))
		peak := 0
		for b, values := range l.latencies {
			for _, d := range values {
				row := min(heatRows-1, max(0, int((c.bottom-y(d))/height)))
				cells[b][row]++
				peak = max(peak, cells[b][row])
			}
		}
		for b := range cells {
			from, to := s.edges(b)
			for row, n := range cells[b] {
				if n == 0 {
					continue
				}
				shade := int(math.Ceil(heatShades * math.Sqrt(float64(n)/float64(peak))))
				top := c.bottom - float64(row+1)*height
				c.rect(fmt.Sprintf("fill s0 h%d", shade), c.x(from), top, c.x(to)-c.x(from), height, fmt.Sprintf("%s at %s to %s s", count(n, "request"), number(from), number(to)))
			}
		}
		return c.svg
	})
}
