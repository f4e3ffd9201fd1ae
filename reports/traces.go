package reports

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/graph"
	"github.com/squallmesh/squall/scenarios/record"
)

// Bounds of what is shown, so that a report of a long run stays readable.
const (
	maxFailedKinds = 6
	maxBars        = 80
)

// trace is one request with what was seen of it.
type trace struct {
	Title, Summary string
	// FromLogs tells that no spans arrived and that proxies' logs stand in for them.
	FromLogs bool
	Left     int // bars that are not shown
	Hops     []hopLine
	Header   []string
	bars     []bar
	Drawing  drawing
}

// bar is a piece of work in a waterfall; from and to count from the first.
type bar struct {
	label, title string
	depth        int
	from, to     time.Duration
	bad          bool
}

// hopLine is what a proxy logged.
type hopLine struct{ Proxy, Direction, Request, Status, Flags, Details, Route, Upstream, Took string }

// traces picks the slowest request and one of each kind of failure, judged ones alone.
func traces(r *record.Run) []*trace {
	spans, hops := map[string][]int{}, map[string][]int{}
	for i := range r.Spans {
		spans[r.Spans[i].TraceID] = append(spans[r.Spans[i].TraceID], i)
	}
	for i := range r.Hops {
		hops[r.Hops[i].TraceID] = append(hops[r.Hops[i].TraceID], i)
	}
	seen := func(q *loadgen.Result) bool {
		return q.TraceID != "" && (len(spans[q.TraceID]) > 0 || len(hops[q.TraceID]) > 0)
	}
	var slowest *loadgen.Result
	failures, numbers := map[string]*loadgen.Result{}, map[string]int{}
	for i := range r.Results {
		q := &r.Results[i]
		if q.Scheduled.Before(r.Start) {
			continue
		}
		bad := q.Status >= 500 || q.Err != "" || q.Status == 0
		if bad {
			numbers[outcomeOf(q)]++
		}
		if !seen(q) {
			continue
		}
		if slowest == nil || q.Latency() > slowest.Latency() {
			slowest = q
		}
		// Of a kind, the one of which most is known.
		if best := failures[outcomeOf(q)]; bad && (best == nil || len(spans[q.TraceID]) > len(spans[best.TraceID])) {
			failures[outcomeOf(q)] = q
		}
	}
	var out []*trace
	add := func(title string, q *loadgen.Result) {
		t := &trace{Title: title, Summary: summary(r, q), Header: header(r, q)}
		var mine []telemetry.Span
		for _, i := range spans[q.TraceID] {
			mine = append(mine, r.Spans[i])
		}
		var logs []telemetry.Hop
		for _, i := range hops[q.TraceID] {
			logs = append(logs, r.Hops[i])
		}
		slices.SortStableFunc(logs, func(a, b telemetry.Hop) int { return a.Time.Compare(b.Time) })
		for _, h := range logs {
			t.Hops = append(t.Hops, lineOf(h))
		}
		if t.bars = spanBars(mine); len(t.bars) == 0 {
			t.bars, t.FromLogs = hopBars(logs), true
		}
		if t.Left = len(t.bars) - maxBars; t.Left > 0 {
			t.bars = t.bars[:maxBars]
		}
		t.Drawing = waterfall(t.bars)
		out = append(out, t)
	}
	failed := func(kind string) string { return fmt.Sprintf("failed: %s (one of %d)", kind, numbers[kind]) }
	if slowest != nil {
		title := "Slowest request"
		if kind := outcomeOf(slowest); failures[kind] != nil {
			title += ", " + failed(kind)
			delete(failures, kind)
		}
		add(title, slowest)
	}
	kinds := slices.SortedFunc(maps.Keys(failures), func(a, b string) int { return cmp.Or(numbers[b]-numbers[a], cmp.Compare(a, b)) })
	for _, kind := range kinds[:min(len(kinds), maxFailedKinds)] {
		add(upper(failed(kind)), failures[kind])
	}
	return out
}

func summary(r *record.Run, q *loadgen.Result) string {
	return fmt.Sprintf("load %s, request %d, due at %s, answered %s after %s; trace %s", q.Load, q.Seq, at(q.Scheduled.Sub(r.Start).Seconds()),
		outcomeOf(q), took(q.Latency()), q.TraceID)
}

// header lists what the load sent and what it kept of the answer, without secrets.
func header(r *record.Run, q *loadgen.Result) []string {
	var out []string
	for _, l := range r.Scenario.Spec.Load {
		if l.Name != q.Load {
			continue
		}
		for _, k := range slices.Sorted(maps.Keys(l.Request.Headers)) {
			out = append(out, "sent "+k+": "+record.RedactHeader(k, l.Request.Headers[k]))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(q.Header)) {
		out = append(out, "answered "+k+": "+record.RedactHeader(k, q.Header[k]))
	}
	return out
}

func lineOf(h telemetry.Hop) hopLine {
	return hopLine{
		Proxy: cmp.Or(h.Workload, h.Proxy), Direction: string(h.Direction), Request: record.Redact(strings.TrimSpace(h.Method + " " + h.Authority + h.Path)),
		Status: fmt.Sprint(h.Status), Flags: h.FlagString(), Details: record.Redact(h.Details), Route: h.Route,
		Upstream: cmp.Or(h.Cluster, h.UpstreamAddress), Took: took(h.Duration),
	}
}

// shorter takes out of a host's name what all of a cluster's have.
var shorter = strings.NewReplacer(".default.svc.cluster.local", "", ".svc.cluster.local", "")

func spanBars(spans []telemetry.Span) []bar {
	if len(spans) == 0 {
		return nil
	}
	tree := telemetry.MakeTree(spans)
	begin := tree.Spans[0].Start()
	var out []bar
	seen := map[*telemetry.Node]bool{}
	var walk func(n *telemetry.Node, depth int)
	walk = func(n *telemetry.Node, depth int) {
		if seen[n] {
			return
		}
		seen[n] = true
		s := &n.Span
		from := max(0, s.Start().Sub(begin))
		label := cmp.Or(s.Service(), "unknown")
		if s.Name != "" {
			label += " " + shorter.Replace(record.Redact(s.Name))
		}
		title := label + ", " + cmp.Or(strings.ToLower(string(s.Kind)), "within")
		for _, k := range slices.Sorted(maps.Keys(s.Tags)) {
			title += "\n" + k + ": " + record.RedactHeader(k, s.Tags[k])
		}
		out = append(out, bar{label: label, title: title, depth: depth, from: from, to: from + s.Took(), bad: badSpan(s)})
		for _, c := range n.Children {
			walk(c, depth+1)
		}
	}
	for _, n := range slices.Concat(tree.Roots, tree.Orphans) {
		walk(n, 0)
	}
	return out
}

// badSpan goes by the tags that Envoy sets.
func badSpan(s *telemetry.Span) bool {
	code := s.Tags["http.status_code"]
	return s.Tags["error"] == "true" || len(code) == 3 && code[0] == '5' || code == "0"
}

func hopBars(hops []telemetry.Hop) []bar {
	var out []bar
	for i := range hops {
		h := &hops[i]
		from := h.Time.Sub(hops[0].Time)
		label := cmp.Or(h.Workload, h.Proxy) + " " + string(h.Direction)
		out = append(out, bar{label: label, title: label + " " + h.FlagString(), from: from, to: from + h.Duration, bad: graph.Failed(h)})
	}
	return out
}

// waterfall draws pieces of work below each other over their time.
func waterfall(bars []bar) drawing {
	return draw("Waterfall", func(width float64) *svg {
		row, left := 20.0, 330.0
		if width < 600 {
			row, left = 34, 6
		}
		s := &svg{width: width, height: float64(len(bars))*row + 38}
		end := time.Millisecond
		for _, b := range bars {
			end = max(end, b.to)
		}
		right, bottom := width-66, float64(len(bars))*row+4
		x := func(d time.Duration) float64 { return left + float64(d)/float64(end)*(right-left) }
		n := 6
		if width < 600 {
			n = 3
		}
		for _, ms := range ticks(0, end.Seconds()*1e3, n) {
			at := x(time.Duration(ms * 1e6))
			s.line("grid", at, 0, at, bottom)
			s.text("t", "middle", max(at, 10), bottom+14, number(ms))
		}
		s.text("t", "end", width, bottom+28, "time since the first span, in ms")
		for i, b := range bars {
			y := float64(i) * row
			indent := float64(min(b.depth, 12)) * 9
			class := "fill s0"
			if b.bad {
				class = "fill s2"
			}
			label, by := b.label, y+4
			if b.bad {
				label = "✗ " + label
			}
			if width < 600 {
				s.text("b", "start", indent, y+13, fit(label, width-indent))
				by = y + 18
			} else {
				s.text("b", "start", indent, y+14, fit(label, left-indent-8))
			}
			s.rect(class, x(b.from), by, max(x(b.to)-x(b.from), 2), 12, b.title)
			s.text("t", "start", x(max(b.to, b.from))+5, by+10, took(b.to-b.from))
		}
		return s
	})
}
