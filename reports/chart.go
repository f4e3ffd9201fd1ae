package reports

import (
	"math"
	"strconv"
	"time"
)

// chart is a drawing over the run's time, which runs from the left to the right.
type chart struct {
	*svg
	s                        *series
	left, right, top, bottom float64
}

// newChart draws a frame with time below, the unit above, and what the timeline did as shades behind.
func newChart(s *series, width, height float64, unit string) *chart {
	c := &chart{svg: &svg{width: width, height: height}, s: s, left: 52, right: width - 10, top: 22, bottom: height - 34}
	c.shades(c.top, c.bottom)
	c.text("t", "start", 0, 11, unit)
	c.timeAxis()
	return c
}

// x is where a moment lies.
func (c *chart) x(t float64) float64 {
	return c.left + (min(max(t, c.s.from), c.s.to)-c.s.from)/(c.s.to-c.s.from)*(c.right-c.left)
}

func (c *chart) timeAxis() {
	c.line("ax", c.left, c.bottom, c.right, c.bottom)
	n := 10
	if c.width < 600 {
		n = 4
	}
	for _, t := range ticks(c.s.from, c.s.to, n) {
		c.line("ax", c.x(t), c.bottom, c.x(t), c.bottom+4)
		c.text("t", "middle", c.x(t), c.bottom+16, number(t))
	}
	c.text("t", "end", c.right, c.bottom+30, "time since t = 0, in s")
}

// shades marks the warm-up and what the timeline did.
func (c *chart) shades(top, bottom float64) {
	if c.s.from < 0 {
		c.rect("warm", c.x(c.s.from), top, c.x(0)-c.x(c.s.from), bottom-top, "warm-up, not judged")
	}
	for _, e := range c.s.events {
		if e.Until > e.At {
			c.rect("shade", c.x(e.At), top, max(c.x(e.Until)-c.x(e.At), 1), bottom-top, e.What+", "+e.window())
		} else {
			c.line("moment", c.x(e.At), top, c.x(e.At), bottom)
		}
	}
}

// linear draws a scale from 0 and returns where a value lies.
func (c *chart) linear(most float64) func(float64) float64 {
	if most <= 0 {
		most = 1
	}
	marks := ticks(0, most*1.05, 4)
	most = max(most*1.05, marks[len(marks)-1])
	y := func(v float64) float64 { return c.bottom - v/most*(c.bottom-c.top) }
	for _, v := range marks {
		c.line("grid", c.left, y(v), c.right, y(v))
		c.text("t", "end", c.left-5, y(v)+4, number(v))
	}
	return y
}

// logarithmic draws a scale of times and returns where one lies.
func (c *chart) logarithmic(least, most time.Duration) func(time.Duration) float64 {
	lo := math.Floor(math.Log10(max(float64(least), 1e3)))
	hi := math.Ceil(math.Log10(max(float64(most), 1e4)))
	if hi-lo < 1 {
		hi = lo + 1
	}
	y := func(d time.Duration) float64 {
		return c.bottom - (math.Log10(max(float64(d), math.Pow(10, lo)))-lo)/(hi-lo)*(c.bottom-c.top)
	}
	for power := lo; power <= hi; power++ {
		for _, m := range []float64{1, 2, 5} {
			d := time.Duration(m * math.Pow(10, power))
			if m > 1 && (hi-lo > 2 || power == hi) {
				break
			}
			c.line("grid", c.left, y(d), c.right, y(d))
			c.text("t", "end", c.left-5, y(d)+4, took(d))
		}
	}
	return y
}

// number writes a round number; adding 0 turns -0 into 0.
func number(v float64) string { return strconv.FormatFloat(math.Round(v*1e6)/1e6+0, 'g', -1, 64) }
