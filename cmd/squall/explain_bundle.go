package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/xds/eval"
	"github.com/squallmesh/squall/scenarios/record"
)

// bundleChoice picks a recorded request.
type bundleChoice struct {
	dir, trace      string
	slowest, failed bool
}

func (b bundleChoice) chosen() bool { return b.trace != "" || b.slowest || b.failed }

// recorded is a request of a run with all that was seen of it.
type recorded struct {
	Request loadgen.Result `json:"request"`
	// Hops are the proxies' log entries, by time.
	Hops []recordedHop `json:"hops"`
	// Spans are the trace, by time.
	Spans []telemetry.Span `json:"spans"`
	// Events of the scenario that were in force while the request was under way.
	Events []record.Event `json:"events,omitempty"`
	// Likely explains, by the rules of the run's start, what the proxy that first went wrong does with the request.
	Likely *explained `json:"likely,omitempty"`
	// Note says why there is no Likely, or what it leaves out.
	Note string `json:"note,omitempty"`

	tree telemetry.Tree
}

type recordedHop struct {
	telemetry.Hop
	// Meaning is each response flag in words.
	Meaning []string `json:"meaning,omitempty"`
}

func explainBundle(env *environment, f explainFlags, args []string) error {
	if len(args) > 0 || f.get != "" || f.from != "" {
		return invalid(errors.New("a recorded request has its own rules, URL and workload: leave out RULES, --get and --from beside --bundle"))
	}
	file, err := os.Open(filepath.Join(f.bundle.dir, recordName))
	if err != nil {
		return invalid(fmt.Errorf("%s is no bundle of a run: %w", f.bundle.dir, err))
	}
	defer func() { _ = file.Close() }()
	run, _, err := record.Read(file)
	if err != nil {
		return invalid(fmt.Errorf("%s: %w", f.bundle.dir, err))
	}
	res, err := f.bundle.pick(run)
	if err != nil {
		return invalid(err)
	}
	out := &recorded{Request: res, Events: eventsAt(run, res)}
	out.gather(run)
	out.explain(run, f.bundle.dir)
	if f.json {
		e := json.NewEncoder(env.stdout)
		e.SetIndent("", "  ")
		return e.Encode(out)
	}
	return out.print(env.stdout)
}

// pick finds the request that is asked for.
func (b bundleChoice) pick(run *record.Run) (loadgen.Result, error) {
	count := 0
	for _, one := range []bool{b.trace != "", b.slowest, b.failed} {
		if one {
			count++
		}
	}
	switch {
	case count != 1:
		return loadgen.Result{}, errors.New("which request? say one of --trace ID, --slowest, --failed")
	case len(run.Results) == 0:
		return loadgen.Result{}, fmt.Errorf("%s holds no request", b.dir)
	case b.slowest:
		return slices.MaxFunc(run.Results, func(a, c loadgen.Result) int { return int(a.Latency() - c.Latency()) }), nil
	case b.failed:
		return b.firstFailed(run)
	}
	var found []loadgen.Result
	for _, r := range run.Results {
		if strings.HasPrefix(r.TraceID, strings.ToLower(b.trace)) {
			found = append(found, r)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	if len(found) > 1 {
		return loadgen.Result{}, fmt.Errorf("%d traces begin with %s: say more of the id", len(found), b.trace)
	}
	return loadgen.Result{}, fmt.Errorf("no request of %s has the trace id %s; --slowest and --failed find one, and request ids stand in %s", b.dir, b.trace, "report.html")
}

// firstFailed is the first request that failed; where none did, the first that stood although a call behind it failed.
func (b bundleChoice) firstFailed(run *record.Run) (loadgen.Result, error) {
	behind := map[string]bool{}
	for _, h := range run.Hops {
		if h.TraceID != "" && (h.Status >= 500 || len(h.Flags) > 0) {
			behind[h.TraceID] = true
		}
	}
	sorted := slices.SortedStableFunc(slices.Values(run.Results), func(a, c loadgen.Result) int { return a.Scheduled.Compare(c.Scheduled) })
	for _, failed := range []func(loadgen.Result) bool{
		func(r loadgen.Result) bool { return !r.Succeeded() },
		func(r loadgen.Result) bool { return behind[r.TraceID] },
	} {
		if i := slices.IndexFunc(sorted, failed); i >= 0 {
			return sorted[i], nil
		}
	}
	return loadgen.Result{}, fmt.Errorf("none of the %d requests of %s failed, and no call behind them; --slowest shows the one that took longest", len(run.Results), b.dir)
}

// eventsAt gives what the scenario did that was in force while a request was under way. An event that takes time to be effective
// everywhere may act from its begin.
func eventsAt(run *record.Run, r loadgen.Result) []record.Event {
	due, end := r.Scheduled.Sub(run.Start), r.End.Sub(run.Start)
	var out []record.Event
	for _, e := range run.Events {
		if e.At-e.Took <= end && (e.Until == 0 || due < e.Until) {
			out = append(out, e)
		}
	}
	return out
}

func (r *recorded) gather(run *record.Run) {
	for _, h := range run.Hops {
		if h.TraceID != "" && h.TraceID == r.Request.TraceID {
			hop := recordedHop{Hop: h}
			for _, letters := range h.Flags {
				if f, ok := flagNamed(letters); ok {
					hop.Meaning = append(hop.Meaning, fmt.Sprintf("%s: %s; look at %s", letters, f.means, f.look))
				} else {
					hop.Meaning = append(hop.Meaning, letters+": a flag that this program does not know")
				}
			}
			r.Hops = append(r.Hops, hop)
		}
	}
	slices.SortStableFunc(r.Hops, func(a, b recordedHop) int { return a.Time.Compare(b.Time) })
	var spans []telemetry.Span
	for _, s := range run.Spans {
		if s.TraceID == r.Request.TraceID {
			spans = append(spans, s)
		}
	}
	r.tree = telemetry.MakeTree(spans)
	r.Spans = r.tree.Spans
}

// suspect is the call where it went wrong first, as its caller saw it: the last one in time whose log shows a flag, else an error;
// else the innermost of those that took most of the time.
func (r *recorded) suspect() *recordedHop {
	var flagged, failed, slow *recordedHop
	for i := range r.Hops {
		h := &r.Hops[i]
		if h.Direction == telemetry.Inbound {
			continue
		}
		if len(h.Flags) > 0 {
			flagged = h
		}
		if h.Status >= 500 {
			failed = h
		}
		if slow == nil || h.Duration >= slow.Duration*9/10 {
			slow = h
		}
	}
	switch {
	case flagged != nil:
		return flagged
	case failed != nil:
		return failed
	}
	return slow
}

// explain evaluates the suspect's request by the rules that the bundle holds.
func (r *recorded) explain(run *record.Run, dir string) {
	h := r.suspect()
	if h == nil {
		r.Note = "no proxy logged a request of this trace: it never reached the mesh, or its logs were lost"
		return
	}
	if h.TCP {
		r.Note = "it went over a TCP connection, which has no routes"
		return
	}
	rules, err := bundledRules(run, dir)
	if err == nil {
		var paper *paperMesh
		if paper, err = newPaperMesh(run.Scenario.Spec.App, filepath.Dir(run.File), rules, captureOf(run)); err == nil {
			r.Likely, err = paper.explain(workloadOf(run, h.Proxy), requestOf(&h.Hop))
		}
	}
	if err != nil {
		r.Note = "the rule cannot be named: " + err.Error()
		return
	}
	r.Note = "judged by the rules at the run's start, and by the headers that logs keep (end-user)"
	if (h.HasFlag("FI") || h.HasFlag("DI")) && len(r.Likely.Faults) == 0 {
		r.Note += "; no rule injects this fault: it is the scenario's"
	}
	for _, e := range r.Events {
		if e.Kind == "apply" || e.Kind == "delete" {
			r.Note += "; at " + e.At.Round(time.Millisecond).String() + " the scenario changed rules: " + e.What
		}
	}
}

// captureOf is how traffic reached the sidecars of a run.
func captureOf(run *record.Run) model.Capture {
	if run.Platform == string(platform.Pods) {
		return model.CaptureRedirect
	}
	return model.CaptureProxy
}

func workloadOf(run *record.Run, proxy string) string {
	if w, ok := run.WorkloadOf(proxy); ok {
		return w.Name
	}
	return proxy
}

func requestOf(h *telemetry.Hop) eval.Request {
	req := eval.Request{Method: h.Method, Scheme: h.Scheme, Authority: h.Authority, Path: h.Path, Header: map[string][]string{}}
	if h.OriginalPath != "" {
		req.Path = h.OriginalPath
	}
	if h.EndUser != "" {
		req.Header["end-user"] = []string{h.EndUser}
	}
	return req
}

// bundledRules reads the rules with which the run began: the first files of the bundle, one for each entry of the scenario's
// config.
func bundledRules(run *record.Run, dir string) ([]config.File, error) {
	names, err := filepath.Glob(filepath.Join(dir, "rules", "*.yaml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	want := len(run.Scenario.Spec.Config)
	if len(names) < want {
		return nil, fmt.Errorf("%s holds %d of the %d files of rules", dir, len(names), want)
	}
	if want == 0 {
		return nil, nil
	}
	return readRules(names[:want])
}

func (r *recorded) print(w io.Writer) error {
	q := r.Request
	outcome := fmt.Sprintf("status %d", q.Status)
	if q.Err != "" {
		outcome = q.Err
	}
	if _, err := fmt.Fprintf(w, "request %d of load %s, trace %s\n", q.Seq, q.Load, q.TraceID); err != nil {
		return err
	}
	p := &explainPrinter{w: w}
	p.line("outcome", fmt.Sprintf("%s after %s", outcome, q.Latency().Round(100*time.Microsecond)), "")
	for _, e := range r.Events {
		p.line("scenario", fmt.Sprintf("%s at %s: %s", e.Kind, e.At.Round(time.Millisecond), e.What), "")
	}
	for _, h := range r.Hops {
		p.line("proxy", fmt.Sprintf("%s %s: %s %s%s -> %d after %s", h.Proxy, h.Direction, h.Method, h.Authority, h.Path, h.Status, h.Duration.Round(100*time.Microsecond)), "")
		for _, m := range h.Meaning {
			p.line("", "  "+m, "")
		}
		if len(h.Flags) > 0 && h.Details != "" {
			p.line("", "  Envoy's own words: "+h.Details, "")
		}
	}
	p.waterfall(r.tree)
	if r.Note != "" {
		p.line("rule", r.Note, "")
	}
	if p.err == nil && r.Likely != nil {
		_, p.err = fmt.Fprintln(w)
		if p.err == nil {
			p.err = printExplained(w, r.Likely)
		}
	}
	return p.err
}

// barWidth is how many characters the whole trace is wide.
const barWidth = 40

// waterfall draws the trace: a bar for each span, where it lies in time.
func (p *explainPrinter) waterfall(t telemetry.Tree) {
	if len(t.Spans) == 0 {
		p.line("trace", "no spans arrived", "")
		return
	}
	begin := t.Spans[0].Start()
	end := begin
	for _, s := range t.Spans {
		if e := s.Start().Add(s.Took()); e.After(end) {
			end = e
		}
	}
	whole := max(end.Sub(begin), time.Microsecond)
	column := func(d time.Duration) int { return int(int64(d) * barWidth / int64(whole)) }
	first := true
	var draw func(n *telemetry.Node, depth int)
	draw = func(n *telemetry.Node, depth int) {
		label := ""
		if first {
			label, first = "trace", false
		}
		s := &n.Span
		from := s.Start().Sub(begin)
		left := min(max(0, column(from)), barWidth-1)
		width := min(max(1, column(s.Took())), barWidth-left)
		bar := strings.Repeat(" ", left) + strings.Repeat("=", width) + strings.Repeat(" ", barWidth-left-width)
		name := strings.Repeat(" ", depth) + s.Service()
		if s.Kind == telemetry.Client {
			name += " > " + s.Name
		}
		flags := ""
		if f := s.Tags["response_flags"]; f != "" && f != "-" {
			flags = " " + f
		}
		p.line(label, fmt.Sprintf("|%s| %8s %s %s%s", bar, s.Took().Round(10*time.Microsecond), s.Tags["http.status_code"], name, flags), "")
		for _, c := range n.Children {
			draw(c, depth+1)
		}
	}
	for _, n := range slices.Concat(t.Roots, t.Orphans) {
		draw(n, 0)
	}
}
