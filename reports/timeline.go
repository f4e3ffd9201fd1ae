package reports

// timeline draws phases and what the timeline did, a row each.
func timeline(s *series, phases []Phase) drawing {
	return draw("Timeline: phases and what was done", func(width float64) *svg {
		const row, head = 34.0, 6.0
		var shown []Phase
		for _, p := range phases {
			if p.Name != "all" && p.To > p.From {
				shown = append(shown, p)
			}
		}
		height := head + row*float64(len(shown)+len(s.events)) + 38
		c := &chart{svg: &svg{width: width, height: height}, s: s, left: 6, right: width - 10, top: head, bottom: height - 34}
		c.shades(c.top, c.bottom)
		c.timeAxis()
		y := head
		for _, p := range shown {
			c.bar("phase", y, p.From, p.To, "phase "+p.Name, "phase "+p.Name+", "+at(p.From)+" – "+at(p.To))
			y += row
		}
		for _, e := range s.events {
			label := e.What
			if e.Name != "" {
				label += " (" + e.Name + ")"
			}
			class := "doing"
			if e.Missing != "" {
				class = "unproven"
				label += " (unproven)"
			}
			c.bar("wait", y, e.At-e.Took, e.At, "", "until effective: "+e.effective())
			c.bar(class, y, e.At, max(e.At, e.Until), label, label+", "+e.window())
			y += row
		}
		return c.svg
	})
}

// bar draws a row: a text that never leaves the drawing, and the time below it.
func (c *chart) bar(class string, y, from, to float64, label, title string) {
	x1, x2 := c.x(from), c.x(to)
	label = fit(label, c.right-c.left)
	x := min(x1, c.right-float64(len([]rune(label)))*textWidth)
	c.rect(class, x1, y+17, max(x2-x1, 3), 10, title)
	if label != "" {
		c.text("b", "start", max(x, c.left), y+12, label)
	}
}
