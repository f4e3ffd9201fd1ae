package reports

import (
	_ "embed" // the page and its style
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/telemetry/graph"
	"github.com/squallmesh/squall/scenarios/record"
)

//go:embed report.html.tmpl
var pageSource string

//go:embed report.css
var pageStyle string

// maxLoads is how many loads are drawn; all are in the table.
const maxLoads = 8

// maxBuckets is how many bars a drawing over time has at most.
const maxBuckets = 60

// page is what the template shows.
type page struct {
	Result
	Style    template.CSS
	Advice   []string
	Timeline drawing
	Loads    []loadView
	// Undrawn is how many loads are in the table alone.
	Undrawn int
	Step    string
	Flags   *flagView
	Graph   drawing
	Calls   []*graph.Edge
	Traces  []*trace
}

type loadView struct {
	Load
	// Empty tells that no request of it is known.
	Empty                          bool
	Rates, Latency, Heat, Statuses drawing
	Outcomes                       []tallyView
	Legend                         []layer
	PerBar                         int
}

type tallyView struct {
	Name  string
	Count int
}

type flagView struct {
	Drawing drawing
	Layers  []flagLayer
}

type flagLayer struct {
	Name, Class string
	Count       int
}

// HTML writes report.html: one page without scripts that asks nobody for anything, for light and dark screens, for paper and
// for telephones.
func HTML(w io.Writer, r *record.Run) error {
	tmpl, err := template.New("report").Funcs(template.FuncMap{
		"mark": mark, "at": at, "digits": digits, "percent": percent, "where": where, "draw": func(d drawing) template.HTML { return template.HTML(d) }, //nolint:gosec // we made it and escaped what we put in
		"effective": Event.effective, "window": Event.window, "tally": Result.tally, "upper": upper, "prose": prose, "join": joinCounts,
		"lag": func(s float64) string { return took(time.Duration(s * 1e9)) },
	}).Parse(pageSource)
	if err != nil {
		return fmt.Errorf("report page: %w", err)
	}
	return tmpl.Execute(w, newPage(r))
}

func newPage(r *record.Run) page {
	res := NewResult(r)
	s := cut(r, res, maxBuckets)
	p := page{
		Result: res, Style: template.CSS(pageStyle), //nolint:gosec // our own file
		Advice: res.advice(), Timeline: timeline(s, res.Phases), Step: number(s.step),
	}
	known := map[string]Load{}
	for _, l := range res.Loads {
		known[l.Name] = l
	}
	for _, l := range s.loads {
		v := loadView{Load: known[l.name], Empty: l.n == 0}
		v.Name = l.name
		if len(p.Loads) < maxLoads && l.n > 0 {
			v.Rates, v.Latency, v.Heat, v.Statuses = rates(s, l), latencies(s, l), heat(s, l), statuses(s, l)
		} else if l.n > 0 {
			p.Undrawn++
		}
		for _, name := range byCount(l.total) {
			v.Outcomes = append(v.Outcomes, tallyView{name, l.total[name]})
		}
		v.Legend, v.PerBar = legend(l), typical(l)
		p.Loads = append(p.Loads, v)
	}
	if len(s.flagNames) > 0 {
		p.Flags = &flagView{Drawing: flagBars(s)}
		for _, l := range flagLayers(s) {
			p.Flags.Layers = append(p.Flags.Layers, flagLayer{l.Name, l.Class, s.flagTotal[l.Name]})
		}
	}
	if p.Calls = graphOf(r, s.to).Edges; len(p.Calls) > 0 {
		p.Graph = drawGraphs(p.Calls)
	}
	p.Traces = traces(r)
	return p
}

// legend has the classes of outcomes that came up.
func legend(l *loadSeries) []layer {
	var out []layer
	for _, o := range outcomeLayers {
		if slices.ContainsFunc(l.outcomes, func(b map[string]int) bool { return b[o.Name] > 0 }) {
			out = append(out, o)
		}
	}
	return out
}

// typical is the median number of requests in a bucket that has any: how much a quantile of a bucket is worth.
func typical(l *loadSeries) int {
	var sizes []int
	for _, n := range l.offered {
		if n > 0 {
			sizes = append(sizes, n)
		}
	}
	if len(sizes) == 0 {
		return 0
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2]
}

// prose escapes a text and sets as code what stands between backticks.
func prose(s string) template.HTML {
	parts := strings.Split(s, "`")
	var b strings.Builder
	for i, p := range parts {
		if text := template.HTMLEscapeString(p); i%2 == 1 && i < len(parts)-1 {
			b.WriteString("<code>" + text + "</code>")
		} else {
			b.WriteString(text)
		}
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}

// joinCounts writes counts: UF 3, UH 1.
func joinCounts(counts map[string]int) string {
	var out []string
	for _, name := range byCount(counts) {
		out = append(out, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(out, ", ")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
