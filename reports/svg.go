package reports

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// widths that every drawing is made in: text in it keeps its size, so that a telephone gets a drawing of its own. Pixels.
var widths = []float64{1080, 340}

// drawing is one picture in all widths.
type drawing template.HTML

// draw makes a picture in each width; the page shows the one that fits.
func draw(label string, picture func(width float64) *svg) drawing {
	var b strings.Builder
	for i, w := range widths {
		s := picture(w)
		class := []string{"wide", "narrow"}[i]
		fmt.Fprintf(&b, `<svg class="%s" role="img" aria-label="%s" viewBox="0 0 %s %s" width="%s" height="%s">%s</svg>`,
			class, template.HTMLEscapeString(label), px(w), px(s.height), px(w), px(s.height), s.b.String())
	}
	return drawing(b.String())
}

// svg collects shapes. Colours come from classes, so that the page's style decides them.
type svg struct {
	b      strings.Builder
	width  float64
	height float64
}

func (s *svg) rect(class string, x, y, w, h float64, title string) {
	fmt.Fprintf(&s.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, px(x), px(y), px(max(w, 0)), px(max(h, 0)))
	if title == "" {
		s.b.WriteString("/>")
		return
	}
	fmt.Fprintf(&s.b, "><title>%s</title></rect>", template.HTMLEscapeString(title))
}

func (s *svg) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&s.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, px(x1), px(y1), px(x2), px(y2))
}

func (s *svg) path(class, d, title string) {
	fmt.Fprintf(&s.b, `<path class="%s" d="%s"`, class, d)
	if title == "" {
		s.b.WriteString("/>")
		return
	}
	fmt.Fprintf(&s.b, "><title>%s</title></path>", template.HTMLEscapeString(title))
}

func (s *svg) dot(class string, x, y float64) {
	fmt.Fprintf(&s.b, `<circle class="%s" cx="%s" cy="%s" r="2.5"/>`, class, px(x), px(y))
}

// text at a baseline; anchor is start, middle or end.
func (s *svg) text(class, anchor string, x, y float64, text string) {
	fmt.Fprintf(&s.b, `<text class="%s" text-anchor="%s" x="%s" y="%s">%s</text>`, class, anchor, px(x), px(y), template.HTMLEscapeString(text))
}

// fit shortens a text to a width, at the page's 12 px.
func fit(text string, width float64) string {
	letters, n := []rune(text), int(width/textWidth)
	if len(letters) <= n {
		return text
	}
	if n < 2 {
		return ""
	}
	return string(letters[:n-1]) + "…"
}

// textWidth is about a letter's mean width at 12 px, on the wide side.
const textWidth = 6.1

func px(v float64) string {
	s := fmt.Sprintf("%.1f", v)
	return strings.TrimSuffix(s, ".0")
}

// ticks gives round numbers from lo to hi, about n of them.
func ticks(lo, hi float64, n int) []float64 {
	step := niceStep((hi - lo) / float64(n))
	var out []float64
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+step*1e-9; i++ {
		out = append(out, i*step)
	}
	return out
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(v float64) float64 {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}
