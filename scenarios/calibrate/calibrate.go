package calibrate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/sim/dist"
	"github.com/squallmesh/squall/mesh/sim/topology"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
)

// ErrNoSpans is of records that say nothing about the inside of requests.
var ErrNoSpans = errors.New("the record has no spans, by which one sees where the time of a request goes: run the scenario again where every request is traced, " +
	"as on squall's own platforms (squall run --out DIR), and leave out Telemetry rules that sample less")

// Least is how many requests a calibration takes at least.
const Least = 30

// Result is what was fitted.
type Result struct {
	Document topology.Document
	// Rows are the fits for people: first what all hops have in common, then each workload by its name.
	Rows []Row
	// Requests that were read.
	Requests int
}

// Row is one fit.
type Row struct {
	What string
	Fit  dist.Fitted
}

// samples are the times that were found.
type samples struct {
	requests int
	client   []time.Duration // of a load beside its first proxy, there and back
	late     []time.Duration // of being sent after it was due
	hops     []time.Duration // of a caller's proxy beside the called one's, there and back
	reading  []time.Duration // of a proxy after the first byte of an answer
	work     map[string][]time.Duration
	graph    *graph
}

// Runs fits the times of runs of the same machine. Only requests count that nothing disturbed: no fault, script or other item of the timeline was
// active, nothing was retried, refused or cut short. Scripts by which backends sleep for a constant time and answer are no disturbance: that
// time is known.
func Runs(name string, runs []*record.Run) (*Result, error) {
	all := &samples{work: map[string][]time.Duration{}, graph: newGraph()}
	for _, r := range runs {
		if len(r.Spans) == 0 {
			return nil, fmt.Errorf("%s: %w", r.Scenario.Metadata.Name, ErrNoSpans)
		}
		all.add(r)
	}
	if all.requests < Least {
		return nil, fmt.Errorf("only %d requests were answered 2xx while nothing of the timeline was active, and %d are needed: record a run of a plain load, without faults and scripts", all.requests, Least)
	}
	return all.fit(name)
}

// trace is one request's spans and logs.
type trace struct {
	spans []*telemetry.Span
	odd   bool
}

func (s *samples) add(r *record.Run) {
	traces := map[string]*trace{}
	at := func(id string) *trace {
		t := traces[id]
		if t == nil {
			t = &trace{}
			traces[id] = t
		}
		return t
	}
	for i := range r.Spans {
		t := at(r.Spans[i].TraceID)
		t.spans = append(t.spans, &r.Spans[i])
	}
	after := map[string][]time.Duration{}
	for i := range r.Hops {
		h := &r.Hops[i]
		if h.TCP {
			continue
		}
		t := at(h.TraceID)
		t.odd = t.odd || len(h.Flags) > 0 || h.Attempts > 1 || h.Status/100 != 2
		if h.UpstreamTime > 0 {
			after[h.TraceID] = append(after[h.TraceID], max(0, h.Duration-h.UpstreamTime))
		}
	}
	for i := range r.Results {
		res := &r.Results[i]
		t := traces[res.TraceID]
		if t == nil || t.odd || res.Err != "" || res.Status/100 != 2 || disturbed(r, res.Scheduled.Sub(r.Start), res.End.Sub(r.Start)) {
			continue
		}
		root := t.root()
		if root == nil {
			continue
		}
		s.requests++
		s.late = append(s.late, max(0, res.Sent.Sub(res.Scheduled)))
		s.client = append(s.client, max(0, res.End.Sub(res.Sent)-length(root)))
		s.reading = append(s.reading, after[res.TraceID]...)
		s.inside(r, t)
	}
}

// disturbed tells whether an item of the timeline was active at some time of a request; rules that were applied are none. Warming up counts.
func disturbed(r *record.Run, from, to time.Duration) bool {
	if from < 0 {
		return true
	}
	for i, e := range r.Events {
		if sleeps(r, i) {
			if crosses(from, to, e.At) || e.Until > 0 && crosses(from, to, e.Until) {
				return true
			}
			continue
		}
		rules := e.Kind == "apply" || e.Kind == "delete"
		if lasts := e.Until <= e.At; !rules && to > e.At && (lasts || from < e.Until) {
			return true
		}
	}
	return false
}

// root is the span of the first proxy.
func (t *trace) root() *telemetry.Span {
	ids := map[string]bool{}
	for _, s := range t.spans {
		ids[s.ID] = true
	}
	var out *telemetry.Span
	for _, s := range t.spans {
		if s.Kind == telemetry.Client && !ids[s.ParentID] {
			if out != nil {
				return nil // two beginnings: spans are missing between
			}
			out = s
		}
	}
	return out
}

func length(s *telemetry.Span) time.Duration { return time.Duration(s.Duration) * time.Microsecond }

// inside takes a trace apart: what a caller's span has more than the called one's is the hop's, and what a server's has more than its app's calls
// is the app's.
func (s *samples) inside(r *record.Run, t *trace) {
	children := map[string][]*telemetry.Span{}
	for _, span := range t.spans {
		children[span.ParentID] = append(children[span.ParentID], span)
	}
	for _, span := range t.spans {
		below := children[span.ID]
		if span.Kind == telemetry.Client {
			if len(below) == 1 && below[0].Kind == telemetry.Server {
				s.hops = append(s.hops, max(0, length(span)-length(below[0])))
			}
			continue
		}
		w, known := r.WorkloadOf(span.Tags["node_id"])
		own := length(span) - sleep(r, w, time.UnixMicro(span.Timestamp).Sub(r.Start))
		slices.SortStableFunc(below, func(a, b *telemetry.Span) int { return int(a.Timestamp - b.Timestamp) })
		for _, call := range below {
			own -= length(call)
		}
		if known && own >= 0 { // calls at the same time would be more than the whole
			s.work[w.Owner] = append(s.work[w.Owner], own)
			s.graph.add(hostOf(span), w.Owner, below)
		}
	}
}

// hostOf is the service that a span names: reviews of reviews.default.svc.cluster.local:9080/*.
func hostOf(s *telemetry.Span) string {
	host, _, _ := strings.Cut(s.Name, ":")
	name, _, _ := strings.Cut(host, ".")
	return name
}

func (s *samples) fit(name string) (*Result, error) {
	out := &Result{Requests: s.requests}
	row := func(what string, list []time.Duration) (dist.Fitted, error) {
		fit, err := dist.Fit(list)
		if err != nil {
			return fit, fmt.Errorf("%s: %w", what, err)
		}
		out.Rows = append(out.Rows, Row{what, fit})
		return fit, nil
	}
	if len(s.hops) == 0 || len(s.reading) == 0 {
		return nil, errors.New("no request passed from one proxy to another, so that nothing is known of what that takes")
	}
	client, hop := quantile(s.client, few), quantile(s.hops, few)
	proxy := min(quantile(s.reading, half), hop/2)
	network := hop/2 - proxy
	lag := make([]time.Duration, len(s.client))
	for i := range lag {
		lag[i] = s.late[i] + max(0, s.client[i]-client)
	}
	lagFit, err1 := row("beside the first proxy, above "+client.String(), lag)
	hopFit, err2 := row("a hop, above "+hop.String(), above(s.hops, hop))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	times := &topology.Times{Client: written(client / 2), Network: written(network), Local: written(0), Proxy: written(proxy), Lag: text(lagFit), Hop: text(hopFit)}
	doc := topology.Document{APIVersion: topology.Version, Kind: topology.Kind, Metadata: topology.Metadata{Name: name}}
	doc.Spec.Times, doc.Spec.Workloads = times, map[string]topology.Workload{}
	for _, owner := range slices.Sorted(maps.Keys(s.work)) {
		fit, err := row(owner, above(s.work[owner], 2*proxy))
		if err != nil {
			return nil, err
		}
		doc.Spec.Workloads[owner] = topology.Workload{Work: *text(fit), Fit: &topology.Fit{Samples: fit.Samples, Distance: fit.Distance, Critical: fit.Critical}}
	}
	var err error
	if doc.Spec.Services, err = s.graph.services(s.work, 2*proxy); err != nil {
		return nil, err
	}
	out.Document = doc
	return out, nil
}

func text(f dist.Fitted) *dist.Text {
	t := f.Distribution.Text()
	return &t
}

func written(d time.Duration) *dist.Duration {
	v := dist.Duration(d)
	return &v
}

// above is what times have more than a constant.
func above(list []time.Duration, constant time.Duration) []time.Duration {
	out := make([]time.Duration, len(list))
	for i, d := range list {
		out[i] = max(0, d-constant)
	}
	return out
}

// The shares below which constant parts are looked for, and middles.
const (
	few  = .05
	half = .5
)

func quantile(list []time.Duration, share float64) time.Duration {
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return sorted[int(share*float64(len(sorted)-1))]
}
