package assert

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// check reads a check as it stands in a scenario.
func check(t *testing.T, text string) spec.Check {
	t.Helper()
	var c spec.Check
	_, problems := config.Decode(config.File{Name: "check.yaml", Data: []byte(text)}, "check", &c)
	require.NoError(t, problems.Err())
	return c
}

func nowhere(string) diag.Pos { return diag.Pos{} }

// lab is a run of ten seconds: load "l" at 10/s, a phase "mid" from 4 s to 6 s, "empty" without time, and "quiet" after the load.
// Every request goes gateway -> a-v1 -> b-v1, was answered 200 within (seq+1) ms, kept the value v1, and has a trace.
func lab() *record.Run {
	r := &record.Run{
		Start: start,
		Phases: []record.Phase{
			{Name: "all", To: 10 * time.Second},
			{Name: "mid", From: 4 * time.Second, To: 6 * time.Second},
			{Name: "empty", From: time.Second, To: time.Second},
			{Name: "quiet", From: 10 * time.Second, To: 12 * time.Second},
		},
		Loads: []loadgen.Summary{{Name: "l", Offered: 100, Sent: 100, Completed: 100}},
		Workloads: []record.Workload{
			{Name: "gw-1", Owner: "gw", Address: "127.16.0.1", Proxy: "p-gw"},
			{Name: "a-v1-1", Owner: "a-v1", Labels: map[string]string{"app": "a", "version": "v1"}, Address: "127.16.0.2", Proxy: "p-a"},
			{Name: "b-v1-1", Owner: "b-v1", Labels: map[string]string{"app": "b", "version": "v1"}, Address: "127.16.0.3", Proxy: "p-b"},
			{Name: "c-v1-1", Owner: "c-v1", Labels: map[string]string{"app": "c", "version": "v1"}, Address: "127.16.0.4", Proxy: "p-c"},
		},
		Counters: map[string]map[string]record.Window{},
	}
	r.Scenario.Spec.Load = []spec.Load{{Name: "l"}}
	for i := range 100 {
		id := fmt.Sprintf("%032x", i+1)
		due := start.Add(time.Duration(i) * 100 * time.Millisecond)
		r.Results = append(r.Results, loadgen.Result{
			Load: "l", Seq: uint64(i), Scheduled: due, Sent: due, End: due.Add(time.Duration(i+1) * time.Millisecond),
			Status: 200, Value: "v1", TraceID: id,
		})
		r.Hops = append(
			r.Hops,
			telemetry.Hop{Proxy: "p-gw", Direction: telemetry.Gateway, Cluster: "outbound|80||a.default.svc.cluster.local", UpstreamAddress: "127.16.0.2:80", Status: 200, Attempts: 1, TraceID: id},
			telemetry.Hop{Proxy: "p-a", Direction: telemetry.Inbound, UpstreamAddress: "127.16.0.2:80", Status: 200, TraceID: id},
			telemetry.Hop{Proxy: "p-a", Direction: telemetry.Outbound, Cluster: "outbound|80||b.default.svc.cluster.local", UpstreamAddress: "127.16.0.3:80", Status: 200, Attempts: 1, TraceID: id},
		)
		r.Spans = append(r.Spans, span(id, "1", "", "gw.default"), span(id, "2", "1", "a.default"), span(id, "3", "2", "b.default"))
	}
	return r
}

func span(trace, id, parent, service string) telemetry.Span {
	return telemetry.Span{TraceID: trace, ID: id, ParentID: parent, LocalEndpoint: &telemetry.Endpoint{ServiceName: service}}
}

// ends makes a request last until a time.
func ends(n int, at time.Duration) func(*record.Run) {
	return func(r *record.Run) { r.Results[n].End = start.Add(at) }
}

// counters sets what the gateway counted at the edges of the whole run.
func counters(begin, end map[string]uint64) func(*record.Run) {
	return func(r *record.Run) { r.Counters["all"] = map[string]record.Window{"gw": {Begin: begin, End: end}} }
}

func samples(list ...float64) func(*record.Run) {
	return func(r *record.Run) {
		res := record.QueryResult{}
		for _, v := range list {
			res.Samples = append(res.Samples, record.Sample{Value: v})
		}
		r.PromQL = map[int]record.QueryResult{0: res}
	}
}

// last changes the results of the n last requests.
func last(n int, change func(*loadgen.Result)) func(*record.Run) {
	return func(r *record.Run) {
		for i := len(r.Results) - n; i < len(r.Results); i++ {
			change(&r.Results[i])
		}
	}
}

func unavailable(res *loadgen.Result) { res.Status = 503 }

func noHops(r *record.Run) { r.Hops = nil }

// alternating gives every other request the value v2, and changes it.
func alternating(change func(*loadgen.Result)) func(*record.Run) {
	return func(r *record.Run) {
		for i := range r.Results {
			if i%2 == 1 {
				r.Results[i].Value = "v2"
				if change != nil {
					change(&r.Results[i])
				}
			}
		}
	}
}

// another adds a load m that is as l is, some time later.
func another(later time.Duration) func(*record.Run) {
	return func(r *record.Run) {
		r.Phases[0].To += later
		for _, res := range slices.Clone(r.Results) {
			res.Load, res.Scheduled, res.End = "m", res.Scheduled.Add(later), res.End.Add(later)
			r.Results = append(r.Results, res)
		}
	}
}

// tries sets how many attempts each call takes.
func tries(n int) func(*record.Run) {
	return func(r *record.Run) {
		for i := range r.Hops {
			r.Hops[i].Attempts = n
		}
	}
}

func ended(at time.Duration) func(*record.Run) {
	return func(r *record.Run) { r.Events = []record.Event{{Kind: "fault", At: time.Second, Until: at}} }
}

func ejections(list ...record.Ejection) func(*record.Run) {
	return func(r *record.Run) {
		for _, e := range list {
			e.Proxy, e.Cluster = "gw", "outbound|80||a.default.svc.cluster.local"
			r.Ejections = append(r.Ejections, e)
		}
	}
}

const (
	pass = record.Pass
	fail = record.Fail
	open = record.Inconclusive
)

// Each kind of check: what passes, what fails, and what lacks evidence, which must never pass.
func TestKinds(t *testing.T) {
	const cl = "cluster.outbound|80||a.default.svc.cluster.local;."
	for kind, cases := range map[string][]struct {
		name   string
		check  string
		change func(*record.Run)
		want   record.Verdict
		reason string
	}{
		"load": {
			{"all well", `{load: l, success: "100%", status: {200: "100%"}, values: {v1: "100%"}, p50: "== 50ms", p90: "== 90ms", p99: "== 99ms", min: "== 1ms", max: "== 100ms"}`, nil, pass, ""},
			{"a number instead of a share", `{load: l, status: {200: "== 100", 503: "0"}, success: "> 99"}`, nil, pass, ""},
			{"one 503", `{load: l, success: ">= 99.5%"}`, last(1, unavailable), fail, "success is 99%, wanted >= 99.5%"},
			{"404 is a success", `{load: l, success: "100%"}`, last(1, func(r *loadgen.Result) { r.Status = 404 }), pass, ""},
			{"no answer is none", `{load: l, success: "100%"}`, last(1, func(r *loadgen.Result) { r.Status, r.Err = 0, loadgen.ErrTimeout }), fail, ""},
			{"half an answer is none", `{load: l, success: "100%"}`, last(1, func(r *loadgen.Result) { r.Err = loadgen.ErrReset }), fail, ""},
			{"status 0 is no answer", `{load: l, status: {0: "== 1"}}`, last(1, func(r *loadgen.Result) { r.Status, r.Err = 0, loadgen.ErrTimeout }), pass, ""},
			{"latency counts from schedule", `{load: l, max: "< 200ms"}`, last(1, func(r *loadgen.Result) { r.Sent, r.End = r.End, r.End.Add(time.Second) }), fail, ""},
			{"one bad of two comparisons", `{load: l, success: "100%", max: "< 50ms"}`, nil, fail, "max is 100ms, wanted < 50ms"},
			{"another value", `{load: l, values: {v1: "100%"}}`, last(1, func(r *loadgen.Result) { r.Value = "v2" }), fail, ""},
			{"no value of a kind", `{load: l, values: {v2: "== 0"}}`, nil, pass, ""},
			{"no value of any kind", `{load: l, values: {v2: "== 0"}}`, last(100, func(r *loadgen.Result) { r.Value = "" }), open, "kept no value"},
			{"the value that is wanted is missing", `{load: l, values: {v1: "100%"}}`, last(100, func(r *loadgen.Result) { r.Value = "" }), fail, ""},
			{"p99 of 99 requests", `{load: l, p99: "< 1s"}`, func(r *record.Run) { r.Results, r.Loads[0].Sent = r.Results[:99], 99 }, open, "p99 needs 100 requests, the phase all has 99"},
			{"p90 of 20", `{phase: mid, load: l, p90: "< 1s"}`, nil, pass, ""},
			{"p99 of 20", `{phase: mid, load: l, p99: "< 1s"}`, nil, open, "p99 needs 100"},
			{"failing at once is not fast", `{load: l, p50: "< 1s"}`, last(100, func(r *loadgen.Result) { r.Err = loadgen.ErrRefused }), open, "no request of load l had an answer"},
			{"few requests that fail", `{phase: mid, load: l, p99: "< 1s", success: "100%"}`, last(100, unavailable), fail, "success"},
			{"no requests", `{phase: quiet, load: l, success: "100%"}`, nil, open, "sent nothing in phase quiet"},
			{"no time", `{phase: empty, load: l, success: "100%"}`, nil, open, "had no time"},
			{"a phase that never came", `{phase: never, load: l, success: "100%"}`, nil, open, "never came to the phase"},
			{"another load", `{load: m, success: "100%"}`, nil, open, "load m sent nothing"},
		},
		"requests": {
			{"count", `{requests: {from: gw, to: a, status: 200, attempts: 1, noFlags: true, version: v1}, count: "== 100"}`, nil, pass, ""},
			{"inbound does not count twice", `{requests: {to: a}, count: "== 100"}`, nil, pass, ""},
			{"by Deployment", `{requests: {from: a-v1, to: b-v1}, share: "100%"}`, nil, pass, ""},
			{"by phase", `{phase: mid, requests: {from: a, to: b}, count: "== 20"}`, nil, pass, ""},
			{"flag missing", `{requests: {from: a, to: b, flags: DI}, share: "> 0%"}`, nil, fail, "with flag DI"},
			{"flag there", `{requests: {from: a, to: b, flags: DI}, share: "1%"}`, func(r *record.Run) { r.Hops[2].Flags = []string{"DI", "UT"} }, pass, ""},
			{"too many", `{requests: {from: a, to: b}, count: "< 100"}`, nil, fail, ""},
			{"another version", `{requests: {from: a, to: b, version: v2}, count: "== 0"}`, nil, pass, ""},
			{"both bounds, one fails", `{requests: {from: a, to: b, status: 500}, share: "0%", count: "> 0"}`, nil, fail, ""},
			{"nobody called, though there to be called", `{requests: {from: a, to: c}, count: "== 0"}`, nil, pass, ""},
			{"nobody called, and more was wanted", `{requests: {from: a, to: c}, count: "> 0"}`, nil, open, "there were no calls a -> c"},
			{"nobody called, a share", `{requests: {from: a, to: c}, share: "0%"}`, nil, open, ""},
			{"nobody called, a share and a count", `{requests: {from: a, to: c}, share: "100%", count: "== 0"}`, nil, open, ""},
			{"nobody of that name", `{requests: {from: a, to: sea}, count: "== 0"}`, nil, open, ""},
			{"one was under way as the phase began", `{phase: mid, requests: {from: a, to: b}, count: "== 21"}`, ends(39, 4001*time.Millisecond), open, "1 were under way as the phase began and 0 as it ended"},
			{"but not two", `{phase: mid, requests: {from: a, to: b}, count: "== 22"}`, ends(39, 4001*time.Millisecond), fail, ""},
			{"one was under way as it ended", `{phase: mid, requests: {from: a, to: b}, count: "< 20"}`, ends(59, 6001*time.Millisecond), open, "0 were under way as the phase began and 1 as it ended"},
			{"two were due while what begins the phase took effect", `{phase: mid, requests: {from: a, to: b}, count: "== 20"}`, func(r *record.Run) {
				r.Scenario.Spec.Timeline = []spec.Item{{Name: "mid", At: spec.Duration(4 * time.Second)}}
				r.Phases[1].From = 4150 * time.Millisecond
			}, open, "2 were under way"},
			{"those at the edge are of another kind", `{phase: mid, requests: {from: a, to: b, status: 200}, count: "== 21"}`, func(r *record.Run) {
				ends(39, 4001*time.Millisecond)(r)
				r.Hops[39*3+2].Status = 503
			}, fail, ""},
			{"no logs", `{requests: {from: a, to: b}, count: "== 0"}`, noHops, open, ""},
			{"no load", `{phase: quiet, requests: {from: a, to: b}, count: "== 0"}`, nil, open, ""},
		},
		"counter": {
			{"growth", `{counter: {proxy: gw, name: "` + cl + `upstream_rq_retry", delta: "== 3"}}`, counters(map[string]uint64{cl + "upstream_rq_retry": 4}, map[string]uint64{cl + "upstream_rq_retry": 7}), pass, ""},
			{"made in the meantime", `{counter: {proxy: gw, name: "x", delta: "== 3"}}`, counters(map[string]uint64{}, map[string]uint64{"x": 3}), pass, ""},
			{"too much", `{counter: {proxy: gw, name: "x", delta: "<= 2", traffic: x}}`, counters(map[string]uint64{}, map[string]uint64{"x": 3}), fail, "growth of x at gw is 3, wanted <= 2"},
			{"zero with traffic", `{counter: {proxy: gw, name: "` + cl + `upstream_rq_timeout", delta: "0"}}`, counters(map[string]uint64{}, map[string]uint64{cl + "upstream_rq_timeout": 0, cl + "upstream_rq_total": 9}), pass, ""},
			{"zero without traffic", `{counter: {proxy: gw, name: "` + cl + `upstream_rq_timeout", delta: "0"}}`, counters(map[string]uint64{cl + "upstream_rq_total": 9}, map[string]uint64{cl + "upstream_rq_timeout": 0, cl + "upstream_rq_total": 9}), open, "did not grow"},
			{"zero, traffic on another cluster", `{counter: {proxy: gw, name: "` + cl + `upstream_rq_timeout", delta: "< 5"}}`, counters(map[string]uint64{}, map[string]uint64{cl + "upstream_rq_timeout": 0, "cluster.other;.upstream_rq_total": 9}), open, ""},
			{"zero of what has no traffic counter", `{counter: {proxy: gw, name: "listener_manager.lds.update_rejected", delta: "0"}}`, counters(map[string]uint64{}, map[string]uint64{"listener_manager.lds.update_rejected": 0}), open, "say with traffic:"},
			{"the same, named", `{counter: {proxy: gw, name: "x", delta: "0", traffic: y}}`, counters(map[string]uint64{}, map[string]uint64{"x": 0, "y": 1}), pass, ""},
			{"named, and without growth", `{counter: {proxy: gw, name: "x", delta: "> 0", traffic: y}}`, counters(map[string]uint64{}, map[string]uint64{"x": 1, "y": 0}), open, ""},
			{"restarted", `{counter: {proxy: gw, name: "x", delta: "<= 5"}}`, counters(map[string]uint64{"x": 100}, map[string]uint64{"x": 3}), open, "was restarted"},
			{"no such counter", `{counter: {proxy: gw, name: "x", delta: "> 0"}}`, counters(map[string]uint64{}, map[string]uint64{}), open, "has no counter"},
			{"not read at the end", `{counter: {proxy: gw, name: "x", delta: "0"}}`, counters(map[string]uint64{"x": 1}, nil), open, "at both edges"},
			{"not read at all", `{counter: {proxy: gw, name: "x", delta: "0"}}`, nil, open, ""},
		},
		"promql": {
			{"every sample holds", `{promql: x, is: "> 0"}`, samples(1, 2), pass, ""},
			{"one does not", `{promql: x, is: "> 0"}`, samples(1, 0), fail, ""},
			{"0/0", `{promql: x, is: "!= 7"}`, samples(math.NaN()), open, "not a number"},
			{"1/0", `{promql: x, is: "> 0"}`, samples(math.Inf(1)), open, "infinite"},
			{"1/0 that is too much", `{promql: x, is: "< 5"}`, samples(math.Inf(1)), fail, ""},
			{"0/0 beside a fail", `{promql: x, is: "> 0"}`, samples(math.NaN(), 0), fail, ""},
			{"no samples", `{promql: x, is: "== 0"}`, samples(), open, "no samples"},
			{"an error", `{promql: x, is: "== 0"}`, func(r *record.Run) {
				r.PromQL = map[int]record.QueryResult{0: {Error: "boom", Samples: []record.Sample{{}}}}
			}, open, "boom"},
			{"not evaluated", `{promql: x, is: "== 0"}`, nil, open, "not evaluated"},
		},
		"trace": {
			{"the shape", `{trace: {root: gw, services: [b, a, gw], spans: 3, depth: 3, load: l}}`, nil, pass, ""},
			{"another root", `{trace: {root: a}}`, nil, fail, "begins at gw"},
			{"another service", `{trace: {services: [a, gw]}}`, nil, fail, "has the services a, b, gw"},
			{"spans", `{trace: {spans: 4}}`, nil, fail, "has 3 spans"},
			{"depth", `{trace: {depth: 2}}`, nil, fail, "has depth 3"},
			{"an orphan", `{trace: {root: gw}}`, func(r *record.Run) { r.Spans[2].ParentID = "9" }, fail, "parents are missing"},
			{"enough have it", `{trace: {root: gw, share: 99}}`, func(r *record.Run) { r.Spans[2].ParentID = "9" }, pass, ""},
			{"one trace is missing", `{trace: {root: gw, share: 90}}`, func(r *record.Run) { r.Spans = r.Spans[3:] }, open, "1 of 100 requests"},
			{"none", `{trace: {root: gw}}`, func(r *record.Run) { r.Spans = nil }, open, ""},
			{"no load", `{phase: quiet, trace: {root: gw}}`, nil, open, ""},
		},
		"recovery": {
			{"well in time", `{recovery: {load: l, within: 1s, success: "100%"}}`, ended(5 * time.Second), pass, ""},
			{"bad before, well in time", `{recovery: {load: l, within: 1s, success: "100%"}}`, func(r *record.Run) {
				ended(5 * time.Second)(r)
				for i := range 60 {
					unavailable(&r.Results[i])
				}
			}, pass, ""},
			{"one too late", `{recovery: {load: l, within: 1s, success: "100%"}}`, func(r *record.Run) {
				ended(5 * time.Second)(r)
				unavailable(&r.Results[60])
			}, fail, ""},
			{"counts from the last", `{recovery: {load: l, within: 1s, success: "100%"}}`, func(r *record.Run) {
				ended(5 * time.Second)(r)
				r.Events = append(r.Events, record.Event{Kind: "fault", Until: 2 * time.Second})
				unavailable(&r.Results[50])
			}, pass, ""},
			{"no fault", `{recovery: {load: l, within: 1s, success: "100%"}}`, nil, open, "nothing to recover from"},
			{"what lasts no time is none", `{recovery: {load: l, within: 1s, success: "100%"}}`, ended(0), open, ""},
			{"the load ended first", `{recovery: {load: l, within: 5s, success: "100%"}}`, ended(6 * time.Second), open, "sent nothing later"},
			{"another load", `{recovery: {load: m, within: 1s, success: "100%"}}`, ended(time.Second), open, ""},
		},
		"ejected": {
			{"out and back", `{ejected: {proxy: gw, to: a, port: 80, workloads: [a-v1], back: true}}`, ejections(record.Ejection{Workload: "a-v1", From: time.Second, To: 2 * time.Second}), pass, ""},
			{"still out", `{ejected: {proxy: gw, to: a, workloads: [a-v1], back: true}}`, ejections(record.Ejection{Workload: "a-v1", From: time.Second}), fail, "still out"},
			{"still out, as may be", `{ejected: {proxy: gw, to: a, workloads: [a-v1]}}`, ejections(record.Ejection{Workload: "a-v1", From: time.Second}), pass, ""},
			{"back after the phase", `{phase: mid, ejected: {proxy: gw, to: a, workloads: [a-v1], back: true}}`, ejections(record.Ejection{Workload: "a-v1", From: 5 * time.Second, To: 7 * time.Second}), fail, ""},
			{"out before the phase", `{phase: mid, ejected: {proxy: gw, to: a, workloads: []}}`, ejections(record.Ejection{Workload: "a-v1", From: time.Second, To: 2 * time.Second}), pass, ""},
			{"nobody was", `{ejected: {proxy: gw, to: a, workloads: [a-v1]}}`, nil, fail, "ejected nobody, wanted a-v1"},
			{"one too many", `{ejected: {proxy: gw, to: a, workloads: [a-v1]}}`, ejections(record.Ejection{Workload: "a-v1"}, record.Ejection{Workload: "a-v2"}), fail, ""},
			{"another port", `{ejected: {proxy: gw, to: a, port: 81, workloads: []}}`, ejections(record.Ejection{Workload: "a-v1"}), pass, ""},
			{"nobody is wanted, nobody called", `{ejected: {proxy: gw, to: c, workloads: []}}`, nil, open, "gw did not call c"},
			{"another proxy called", `{ejected: {proxy: c-v1, to: b, workloads: []}}`, nil, open, ""},
			{"no load", `{phase: quiet, ejected: {proxy: gw, to: a, workloads: []}}`, nil, open, ""},
			{"no logs", `{ejected: {proxy: gw, to: a, workloads: []}}`, noHops, open, ""},
		},
		"split": {
			{"half and half", `{split: {load: l, want: {v1: 50, v2: 50}, tolerance: 20}}`, last(50, func(r *loadgen.Result) { r.Value = "v2" }), pass, ""},
			{"far off", `{split: {load: l, want: {v1: 50, v2: 50}, tolerance: 20}}`, last(5, func(r *loadgen.Result) { r.Value = "v2" }), fail, "v1 has 95 of 100 requests"},
			{"too few to tell", `{split: {load: l, want: {v1: 50, v2: 50}, tolerance: 5}}`, last(50, func(r *loadgen.Result) { r.Value = "v2" }), open, "100 samples cannot tell at the stated error rates, which need 1860"},
			{"a third value", `{split: {load: l, want: {v1: 50, v2: 50}, tolerance: 20}}`, last(50, func(r *loadgen.Result) { r.Value = fmt.Sprintf("v%d", 2+r.Seq%50/49) }), fail, "nobody wants"},
			{"three values", `{split: {load: l, want: {v1: 50, v2: 30, v3: 20}, tolerance: 25}}`, last(50, func(r *loadgen.Result) { r.Value = []string{"v2", "v2", "v2", "v3", "v3"}[r.Seq%5] }), pass, ""},
			{"three values, one off", `{split: {load: l, want: {v1: 50, v2: 30, v3: 20}, tolerance: 5}}`, last(50, func(r *loadgen.Result) { r.Value = "v2" }), fail, ""},
			{"no value at all", `{split: {load: l, want: {v1: 50, v2: 50}, tolerance: 20}}`, last(100, func(r *loadgen.Result) { r.Value = "" }), fail, ""},
			{"by the version that took the call", `{split: {load: l, by: b.version, want: {v1: 100}, tolerance: 5}}`, nil, pass, ""},
			{"by the Deployment", `{split: {load: l, by: b.workload, want: {b-v2: 100}, tolerance: 5}}`, nil, fail, `"b-v1"`},
			{"by the subset", `{split: {load: l, by: b.subset, want: {v1: 100}, tolerance: 5}}`, func(r *record.Run) {
				for i := range r.Hops {
					r.Hops[i].Cluster = strings.Replace(r.Hops[i].Cluster, "80||b", "80|v1|b", 1)
				}
			}, pass, ""},
			{"calls that came nowhere", `{split: {load: l, by: b.version, want: {v1: 100}, tolerance: 5}}`, func(r *record.Run) { r.Hops[2].UpstreamAddress = "" }, fail, `1 of 100 gave ""`},
			{"calls that were never let out", `{split: {load: l, by: b.version, want: {v1: 100}, tolerance: 6}}`, func(r *record.Run) {
				r.Hops[2].UpstreamAddress, r.Hops[2].Attempts, r.Hops[2].Flags = "", 0, []string{"FI"}
			}, pass, "v1 has 99 of 99"},
			{"by the subset, never let out", `{split: {load: l, by: b.subset, want: {v1: 100}, tolerance: 6}}`, func(r *record.Run) { r.Hops[2].UpstreamAddress, r.Hops[2].Attempts = "", 0 }, fail, `100 of 100 gave ""`},
			{"by a header", `{split: {load: l, by: "header:x-version", want: {v1: 100}, tolerance: 5}}`, last(100, func(r *loadgen.Result) { r.Header = map[string]string{"x-version": "v1"} }), pass, ""},
			{"by status", `{split: {load: l, by: status, want: {200: 90, 503: 10}, tolerance: 20}}`, last(10, unavailable), pass, ""},
			{"in order, early", `{split: {load: l, want: {v1: 50, v2: 50}, tolerance: 40, sequential: true}}`, func(r *record.Run) {
				for i := range r.Results {
					r.Results[i].Value = []string{"v1", "v2"}[i%2]
				}
				slices.Reverse(r.Results) // as they ended, not as they were due
			}, pass, ""},
			{"in order, far off", `{split: {load: l, want: {v1: 10, v2: 90}, tolerance: 20, sequential: true}}`, last(1, func(r *loadgen.Result) { r.Value = "v2" }), fail, ""},
			{"in order, too few", `{split: {load: l, want: {v1: 50, v2: 50}, tolerance: 5, sequential: true}}`, alternating(nil), open, "100 samples cannot tell"},
			{"no calls", `{split: {load: l, by: c.version, want: {v1: 100}, tolerance: 5}}`, nil, open, "led to no calls of c"},
			{"no logs", `{split: {load: l, by: b.version, want: {v1: 100}, tolerance: 5}}`, noHops, open, ""},
			{"no load", `{phase: quiet, split: {load: l, want: {v1: 100}, tolerance: 5}}`, nil, open, ""},
		},
		"rate": {
			{"none", `{rate: {load: l, status: 503, want: 0, tolerance: 5}}`, nil, pass, "0 of 100"},
			{"all", `{rate: {load: l, success: true, value: v1, want: 100, tolerance: 5}}`, nil, pass, ""},
			{"one in five", `{rate: {load: l, status: 503, want: 20, tolerance: 18}}`, last(20, unavailable), pass, ""},
			{"too many", `{rate: {load: l, status: 503, want: 0, tolerance: 5}}`, last(20, unavailable), fail, "share of status 503 is 20 of 100 (20.00%), wanted 0% within 5 points"},
			{"too few to tell", `{rate: {load: l, status: 503, want: 0, tolerance: 1}}`, nil, open, "which need 459"},
			{"a header", `{rate: {load: l, headers: {x-a: b}, want: 100, tolerance: 5}}`, last(100, func(r *loadgen.Result) { r.Header = map[string]string{"x-a": "b"} }), pass, ""},
			{"another header", `{rate: {load: l, headers: {x-a: b}, want: 100, tolerance: 5}}`, nil, fail, ""},
			{"calls without the flag", `{rate: {from: a, to: b, flags: DI, want: 0, tolerance: 5}}`, nil, pass, ""},
			{"calls with the flag", `{rate: {load: l, from: a, to: b, flags: DI, status: 200, want: 100, tolerance: 5}}`, func(r *record.Run) {
				for i := range r.Hops {
					r.Hops[i].Flags = []string{"DI", "UT"}
				}
			}, pass, ""},
			{"calls that should have the flag", `{rate: {from: a, to: b, flags: DI, want: 100, tolerance: 5}}`, nil, fail, "with flag DI"},
			{"in order", `{rate: {load: l, status: 503, want: 0, tolerance: 30, sequential: true}}`, nil, pass, ""},
			{"in order, too many", `{rate: {load: l, status: 503, want: 0, tolerance: 5, sequential: true}}`, last(100, unavailable), fail, ""},
			{"no such calls", `{rate: {from: a, to: c, flags: DI, want: 0, tolerance: 5}}`, nil, open, "no calls a -> c"},
			{"no logs", `{rate: {from: a, to: b, flags: DI, want: 0, tolerance: 5}}`, noHops, open, ""},
			{"no value of any kind", `{rate: {load: l, value: v2, want: 0, tolerance: 5}}`, last(100, func(r *loadgen.Result) { r.Value = "" }), open, "kept no value"},
			{"no load", `{phase: quiet, rate: {load: l, status: 503, want: 0, tolerance: 5}}`, nil, open, "sent nothing"},
			{"no load at all", `{phase: quiet, rate: {from: a, to: b, flags: DI, want: 0, tolerance: 5}}`, nil, open, ""},
		},
		"quantile": {
			{"below", `{quantile: {load: l, q: 0.5, below: 90ms}}`, nil, pass, "p50 of load l is 50ms in 38ms to 63ms"},
			{"around", `{quantile: {load: l, q: 0.5, want: 50ms, margin: 30ms}}`, nil, pass, ""},
			{"above", `{quantile: {load: l, q: 0.5, below: 20ms}}`, nil, fail, "wanted below 20ms"},
			{"too fast", `{quantile: {load: l, q: 0.5, want: 150ms, margin: 20ms}}`, nil, fail, ""},
			{"too near to tell", `{quantile: {load: l, q: 0.5, below: 52ms}}`, nil, open, "neither clearly within nor clearly off"},
			{"too few for p99", `{quantile: {load: l, q: 0.99, below: 1s}}`, nil, open, "which need 459"},
			{"failing at once is not fast", `{quantile: {load: l, q: 0.5, below: 90ms}}`, last(100, func(r *loadgen.Result) { r.Err, r.End = loadgen.ErrRefused, r.Scheduled }), fail, "none"},
			{"no load", `{phase: quiet, quantile: {load: l, q: 0.5, below: 1s}}`, nil, open, ""},
		},
		"compare": {
			{"as often", `{compare: {experiment: v2, control: v1, load: l, by: value, status: 503, tolerance: 20}}`, alternating(nil), pass, ""},
			{"more often", `{compare: {experiment: v2, control: v1, load: l, by: value, status: 503, tolerance: 20}}`, alternating(unavailable), fail, "(49 and 0) of v2 (49) against v1 (49)"},
			{"less often is not the same either", `{compare: {experiment: v1, control: v2, load: l, by: value, status: 503, tolerance: 20}}`, alternating(unavailable), fail, ""},
			{"too few to tell", `{compare: {experiment: v2, control: v1, load: l, by: value, status: 503, tolerance: 5}}`, alternating(nil), open, "which need"},
			{"odds", `{compare: {experiment: v2, control: v1, load: l, by: value, status: 503, oddsRatio: 8, expect: 50}}`, func(r *record.Run) {
				alternating(nil)(r)
				for i := range r.Results {
					r.Results[i].Status = []int{200, 200, 503, 503}[i%4]
				}
			}, pass, "odds less than 8 times apart"},
			{"odds of what never happens", `{compare: {experiment: v2, control: v1, load: l, by: value, status: 503, oddsRatio: 8, expect: 50}}`, alternating(nil), open, ""},
			{"as fast", `{compare: {experiment: v2, control: v1, load: l, by: value, q: 0.5, ratio: 4}}`, alternating(nil), pass, ""},
			{"as fast, nearly", `{compare: {experiment: v2, control: v1, load: l, by: value, q: 0.5, margin: 60ms}}`, alternating(nil), pass, ""},
			{"slower", `{compare: {experiment: v2, control: v1, load: l, by: value, q: 0.5, ratio: 4}}`, alternating(func(r *loadgen.Result) { r.End = r.End.Add(time.Second) }), fail, ""},
			{"failing at once is not as fast", `{compare: {experiment: v2, control: v1, load: l, by: value, q: 0.5, ratio: 4}}`, alternating(func(r *loadgen.Result) { r.Err = loadgen.ErrReset }), open, ""},
			{"too near to tell", `{compare: {experiment: v2, control: v1, load: l, by: value, q: 0.5, ratio: 1.5}}`, alternating(nil), open, ""},
			{"two loads", `{compare: {experiment: m, control: l, status: 503, tolerance: 12}}`, another(0), pass, ""},
			{"two loads after each other", `{compare: {experiment: m, control: l, status: 503, tolerance: 12}}`, another(10 * time.Second), open, "did not run at the same time"},
			{"one after the other", `{compare: {experiment: v2, control: v1, load: l, by: value, status: 503, tolerance: 30}}`, last(50, func(r *loadgen.Result) { r.Value = "v2" }), open, "did not run at the same time"},
			{"no control", `{compare: {experiment: v1, control: v2, load: l, by: value, status: 503, tolerance: 30}}`, nil, open, "no requests of v2"},
			{"a request of both", `{compare: {experiment: v1, control: v2, load: l, by: b.version, status: 503, tolerance: 30}}`, func(r *record.Run) {
				both := r.Hops[2]
				both.UpstreamAddress = ""
				r.Hops = append(r.Hops, both)
			}, open, "belongs to no side"},
			{"no load", `{phase: quiet, compare: {experiment: m, control: l, status: 503, tolerance: 20}}`, nil, open, ""},
		},
		"amplification": {
			{"one each", `{amplification: {load: l, from: a, to: b, want: 1, tolerance: 0.5, max: 3}}`, nil, pass, "100 requests led to 100 attempts a -> b, 1 each"},
			{"always three", `{amplification: {load: l, to: b, want: 1, tolerance: 0.5, max: 3}}`, tries(3), fail, ""},
			{"three wanted", `{amplification: {load: l, to: b, want: 3, tolerance: 0.5, max: 3}}`, tries(3), pass, ""},
			{"more than there can be", `{amplification: {load: l, to: b, want: 1, tolerance: 0.5, max: 3}}`, func(r *record.Run) { r.Hops[2].Attempts = 9 }, fail, "one request led to 9 attempts anyone -> b (trace 00000000000000000000000000000001)"},
			{"too few to tell", `{amplification: {load: l, to: b, want: 1, tolerance: 0.05, max: 3}}`, nil, open, "which need"},
			{"nobody got there", `{amplification: {load: l, to: b, want: 1, tolerance: 0.5, max: 3}}`, tries(0), open, "no attempts"},
			{"no logs", `{amplification: {load: l, to: b, want: 1, tolerance: 0.5, max: 3}}`, noHops, open, ""},
			{"no load", `{phase: quiet, amplification: {load: l, to: b, want: 1, tolerance: 0.5, max: 3}}`, nil, open, ""},
		},
	} {
		t.Run(kind, func(t *testing.T) {
			seen := map[record.Verdict]bool{}
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					r := lab()
					r.Scenario.Spec.Checks = []spec.Check{check(t, c.check)}
					require.Equal(t, []string{kind}, r.Scenario.Spec.Checks[0].Kinds())
					if c.change != nil {
						c.change(r)
					}
					Judge(r, nowhere)
					require.Equal(t, c.want, r.Checks[0].Verdict, r.Checks[0].Reason)
					require.Contains(t, r.Checks[0].Reason, c.reason)
					require.NotEmpty(t, r.Checks[0].Reason)
					require.False(t, strings.Contains(r.Checks[0].Reason, "%!"), r.Checks[0].Reason)
				})
				seen[c.want] = true
			}
			require.Len(t, seen, 3, "a kind of check needs a pass, a fail and a lack of evidence")
		})
		require.Contains(t, Kinds(), kind)
	}
	require.Len(t, Kinds(), 12)
}

// A pass of one kind, with nothing of what it stands on, is never a pass.
func TestNothingNeverPasses(t *testing.T) {
	for _, text := range []string{
		`{load: l, success: "100%", status: {503: "== 0"}, values: {v2: "== 0"}, max: "< 1s"}`,
		`{requests: {flags: UO}, count: "== 0"}`,
		`{counter: {proxy: gw, name: x, delta: "== 0"}}`,
		`{promql: x, is: "== 0"}`,
		`{trace: {}}`,
		`{recovery: {load: l, within: 1s, success: "100%"}}`,
		`{ejected: {proxy: gw, to: a, workloads: []}}`,
		`{split: {load: l, want: {v1: 100}, tolerance: 100}}`,
		`{split: {load: l, want: {v1: 50, v2: 50}, tolerance: 50, sequential: true}}`,
		`{split: {load: l, by: a.version, want: {v1: 100}, tolerance: 100}}`,
		`{rate: {load: l, status: 503, want: 0, tolerance: 99}}`,
		`{rate: {from: a, to: b, flags: UF, want: 0, tolerance: 99, sequential: true}}`,
		`{quantile: {load: l, q: 0.5, below: 1h}}`,
		`{compare: {experiment: l, control: m, status: 503, tolerance: 99}}`,
		`{compare: {experiment: v1, control: v2, load: l, by: value, q: 0.5, ratio: 1000}}`,
		`{amplification: {load: l, to: a, want: 1, tolerance: 5, max: 3}}`,
	} {
		r := &record.Run{Start: start, Phases: []record.Phase{{Name: "all", To: time.Second}}, Loads: []loadgen.Summary{{Name: "l"}}}
		r.Scenario.Spec.Load = []spec.Load{{Name: "l"}}
		r.Scenario.Spec.Checks = []spec.Check{check(t, text)}
		Judge(r, nowhere)
		require.Equal(t, record.Inconclusive, r.Verdict, text)
	}
}
