package reports_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// aToken has the shape of a JSON web token and is none.
const aToken = "eyJhbGciOiJub25l.eyJzdWIiOiJqYXNvbiJ9.c2VjcmV0"

// base is a run that began, without anything seen.
func base(name string) *record.Run {
	r := &record.Run{
		File: "catalog/" + name + "/scenario.yaml", Start: start, Warmup: 2 * time.Second, End: start.Add(11 * time.Second),
		Seed: 42, Platform: "local/loopback", Envoy: "1.40.0", Squall: "v0.1.0",
		Phases: []record.Phase{{Name: "all", To: 10 * time.Second}, {Name: "before", To: 3 * time.Second}},
	}
	r.Scenario.Metadata.Name = name
	r.Scenario.Spec.Title = "A slow ratings service must not take the page down"
	return r
}

func pos(name string, line int) diag.Pos {
	return diag.Pos{File: "catalog/" + name + "/scenario.yaml", Line: line, Col: 7}
}

// passing has one of everything.
func passing() *record.Run {
	r := base("passing")
	r.Scenario.Spec.Load = []spec.Load{{Name: "readers", Rate: "4/s", Request: spec.Request{
		Path: "/productpage", Headers: map[string]string{"Authorization": "Bearer " + aToken, "x-plain": "shown"},
	}}}
	r.Phases = append(r.Phases, record.Phase{Name: "slow", From: 4 * time.Second, To: 7 * time.Second})
	r.Events = []record.Event{{
		At: 4 * time.Second, Until: 7 * time.Second, Kind: "fault", What: "delay calls to ratings by 1s", Name: "slow",
		Took: 23 * time.Millisecond, Evidence: "12 calls with flag DI",
	}}
	r.Loads = []loadgen.Summary{{Name: "readers", Offered: 48, Sent: 48, Completed: 48, MaxLag: 3 * time.Millisecond, P99Lag: 2 * time.Millisecond}}
	r.Workloads = []record.Workload{
		{Name: "gw", Labels: map[string]string{"app": "istio-ingressgateway"}, Address: "127.0.1.1", Proxy: "gw~1"},
		{Name: "productpage-v1", Labels: map[string]string{"app": "productpage", "version": "v1"}, Address: "127.0.1.2", Proxy: "pp~1"},
	}
	for i := range 48 {
		due := start.Add(-2*time.Second + time.Duration(i)*250*time.Millisecond)
		took := time.Duration(20+i%7) * time.Millisecond
		id := fmt.Sprintf("%032x", i+1)
		r.Results = append(r.Results, loadgen.Result{
			Load: "readers", Seq: uint64(i), Scheduled: due, Sent: due, End: due.Add(took), Status: 200, TraceID: id,
			Header: map[string]string{"set-cookie": "session=abc", "server": "envoy"},
		})
		r.Hops = append(r.Hops, telemetry.Hop{
			Time: due, Duration: took, Proxy: "gw~1", Workload: "istio-ingressgateway", Direction: telemetry.Gateway, TraceID: id,
			Method: "GET", Path: "/productpage?token=hidden", Status: 200, UpstreamAddress: "127.0.1.2:9080",
		})
		r.Spans = append(r.Spans, telemetry.Span{
			TraceID: id, ID: "00000000000000aa", Kind: telemetry.Server, Name: "productpage", Timestamp: due.UnixMicro(), Duration: took.Microseconds(),
			LocalEndpoint: &telemetry.Endpoint{ServiceName: "productpage"}, Tags: map[string]string{"x-jwt": aToken, "http.status_code": "200"},
		})
	}
	r.Verdict, r.Reason = record.Pass, "all 2 checks hold"
	r.Checks = []record.Result{
		{Name: "success of readers", Phase: "before", Pos: pos("passing", 20), Verdict: record.Pass, Reason: "success is 100%", Measured: "success 100%", Want: "success >= 99.9%", Samples: 12},
		{Name: "promql", Phase: "slow", Pos: pos("passing", 21), Verdict: record.Pass, Reason: "1 series", Measured: "12", Want: "> 0", Samples: 1},
	}
	for i := range r.Checks {
		r.Checks[i].Index = i
	}
	r.PromQL = map[int]record.QueryResult{1: {Query: `sum(rate(a[1m])) | b`, Samples: []record.Sample{{Labels: `{a="b"}`, Value: 12}, {Labels: "{}", Value: math.NaN()}}}}
	r.Notes = []string{"profile exact: one worker thread"}
	r.Warnings.Warnf("UNUSED", diag.Pos{File: "rules.yaml", Line: 3}, "subset v9 is not used")
	r.Warnings.Hint("delete it")
	return r
}

func failing() *record.Run {
	r := passing()
	r.Scenario.Metadata.Name, r.File = "failing", "catalog/failing/scenario.yaml"
	for i := range r.Results {
		if i%8 == 5 {
			r.Results[i].Status = 503
			r.Hops[i].Status, r.Hops[i].Flags, r.Hops[i].Details = 503, []string{"URX", "UF"}, "upstream_reset_before_response_started"
		}
	}
	r.Verdict = record.Fail
	r.Checks[0].Verdict, r.Checks[0].Measured = record.Fail, "success 87.5%"
	r.Checks[0].Reason = "success is 87.5%, wanted >= 99.9% <b>| @someone sent authorization: Bearer " + aToken
	r.Reason = r.Checks[0].Name + ": " + r.Checks[0].Reason
	return r
}

func inconclusive() *record.Run {
	r := base("inconclusive")
	r.Loads = []loadgen.Summary{{Name: "readers", Offered: 100, Sent: 100, Completed: 100, Late: 60, Behind: true, Reason: "load readers: 60.0 % of 100 requests were sent late"}}
	r.Gaps = []string{"the gateway's log lacks 3 of 100 requests"}
	r.Events = []record.Event{{At: 4 * time.Second, Kind: "fault", What: "kill reviews-v2", Missing: "no process ended"}}
	r.Verdict, r.Reason = record.Inconclusive, "p99: there were no requests in phase slow"
	r.Checks = []record.Result{{Name: "p99", Phase: "slow", Pos: pos("inconclusive", 9), Verdict: record.Inconclusive, Reason: "there were no requests in phase slow"}}
	return r
}

func broken() *record.Run {
	r := base("broken")
	r.Start, r.End = time.Time{}, time.Time{}
	r.Phases = nil
	r.Broken = "Envoy of reviews-v1 ended with code 1"
	r.Verdict, r.Reason = record.Error, r.Broken
	return r
}

// synthetic is a run of the size that people look at: a delay, then a broken version, under two loads.
func synthetic() *record.Run {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same picture each time
	r := base("ratings-delay")
	r.End = start.Add(43 * time.Second)
	ends := 40 * time.Second
	r.Scenario.Spec.Title = "A slow ratings service must not take the product page down"
	r.Scenario.Spec.Load = []spec.Load{{Name: "readers", Rate: "80/s", Request: spec.Request{Path: "/productpage"}}, {Name: "writers", Rate: "10/s", Request: spec.Request{Path: "/login", Method: "POST"}}}
	r.Phases = []record.Phase{
		{Name: "all", To: ends},
		{Name: "before", To: 10 * time.Second},
		{Name: "slow", From: 10035 * time.Millisecond, To: 20 * time.Second},
		{Name: "abort", From: 25 * time.Second, To: 30 * time.Second},
		{Name: "after", From: 30 * time.Second, To: ends},
	}
	r.Events = []record.Event{
		{At: 10035 * time.Millisecond, Until: 20 * time.Second, Kind: "fault", What: "delay calls to ratings by 2s", Name: "slow", Took: 35 * time.Millisecond, Evidence: "1603 calls with flag DI at productpage-v1, reviews-v2 and reviews-v3"},
		{At: 25 * time.Second, Until: 30 * time.Second, Kind: "fault", What: "abort calls to reviews with 503", Name: "abort", Took: 28 * time.Millisecond, Evidence: "401 calls with flag FI"},
		{At: 34 * time.Second, Kind: "apply", What: "apply rules/reviews-v2.yaml", Took: 1400 * time.Millisecond},
	}
	versions := [][2]string{{"istio-ingressgateway", ""}, {"productpage", "v1"}, {"details", "v1"}, {"reviews", "v1"}, {"reviews", "v2"}, {"reviews", "v3"}, {"ratings", "v1"}}
	address := map[string]string{}
	for i, v := range versions {
		name := v[0]
		labels := map[string]string{"app": v[0]}
		if v[1] != "" {
			name += "-" + v[1]
			labels["version"] = v[1]
		}
		address[name] = fmt.Sprintf("127.0.1.%d", i+1)
		r.Workloads = append(r.Workloads, record.Workload{Name: name, Owner: name, Labels: labels, Address: address[name], Proxy: name + "~1"})
	}
	emit := func(load string, n int, due time.Time) {
		id := fmt.Sprintf("%032x", uint64(n)<<8|uint64(load[0]))
		t := due.Sub(start)
		base := time.Duration(18e6 * math.Exp(rng.NormFloat64()*0.3))
		status, errText, flag := 200, "", ""
		slow := t > 10035*time.Millisecond && t < 20*time.Second
		aborted := t > 25*time.Second && t < 30*time.Second && rng.Float64() < 0.6
		reviews := fmt.Sprintf("reviews-v%d", 1+rng.IntN(3))
		took := base
		if slow && reviews != "reviews-v1" {
			took += 2 * time.Second
			flag = "DI"
			if rng.Float64() < 0.03 {
				errText, status, took = loadgen.ErrTimeout, 0, 3*time.Second
			}
		}
		if aborted {
			status, flag = 503, "FI"
		}
		if rng.Float64() < 0.01 {
			status = 404
		}
		r.Results = append(r.Results, loadgen.Result{Load: load, Seq: uint64(n), Scheduled: due, Sent: due.Add(100 * time.Microsecond), End: due.Add(took), Status: status, Err: errText, TraceID: id})
		at := due
		parent := ""
		hop := func(from, to string, d time.Duration, status int, flags ...string) {
			direction := telemetry.Outbound
			if from == "istio-ingressgateway" {
				direction = telemetry.Gateway
			}
			upstream := address[to] + ":9080"
			cluster := "outbound|9080||" + to[:len(to)-3] + ".default.svc.cluster.local"
			if len(flags) > 0 && flags[0] == "FI" {
				upstream = ""
			}
			r.Hops = append(r.Hops, telemetry.Hop{Time: at, Duration: d, Proxy: from + "~1", Workload: from, Direction: direction, TraceID: id, Method: "GET", Authority: to + ":9080", Path: "/" + to, Status: status, Flags: flags, UpstreamAddress: upstream, Cluster: cluster, Route: to})
			r.Hops = append(r.Hops, telemetry.Hop{Time: at.Add(d / 10), Duration: d * 8 / 10, Proxy: to + "~1", Workload: to, Direction: telemetry.Inbound, TraceID: id, Status: status})
			span := fmt.Sprintf("%015x%x", n, len(r.Spans)%16)
			tags := map[string]string{"http.status_code": fmt.Sprint(status), "upstream_cluster": cluster}
			r.Spans = append(r.Spans, telemetry.Span{TraceID: id, ID: span, ParentID: parent, Kind: telemetry.Client, Name: to + ".default.svc.cluster.local:9080/*", Timestamp: at.UnixMicro(), Duration: d.Microseconds(), LocalEndpoint: &telemetry.Endpoint{ServiceName: from}, Tags: tags})
			parent = span
			at = at.Add(d / 8)
		}
		hop("istio-ingressgateway", "productpage-v1", took, status)
		page := parent
		hop("productpage-v1", "details-v1", base/4, 200)
		parent = page
		if aborted {
			hop("productpage-v1", reviews, base/10, 503, "FI")
			return
		}
		hop("productpage-v1", reviews, took*8/10, 200)
		if reviews != "reviews-v1" {
			var flags []string
			if flag != "" {
				flags = []string{flag}
			}
			hop(reviews, "ratings-v1", took*6/10, 200, flags...)
		}
	}
	for n := range 42 * 80 {
		emit("readers", n, start.Add(-2*time.Second+time.Duration(n)*time.Second/80))
	}
	for n := range 42 * 10 {
		emit("writers", n, start.Add(-2*time.Second+time.Duration(n)*time.Second/10))
	}
	r.Loads = []loadgen.Summary{{Name: "readers", Offered: 3360, Sent: 3360, Completed: 3340, MaxLag: 3 * time.Millisecond, P99Lag: time.Millisecond}, {Name: "writers", Offered: 420, Sent: 420, Completed: 420, MaxLag: time.Millisecond}}
	r.Checks = []record.Result{
		{Name: "success of readers", Phase: "before", Pos: pos("ratings-delay", 20), Verdict: record.Pass, Reason: "success is 100%", Measured: "success 100%", Want: "success >= 99.9%", Samples: 800},
		{Name: "success of readers", Phase: "abort", Pos: pos("ratings-delay", 22), Verdict: record.Fail, Reason: "success is 41.2%, wanted >= 99.9%", Measured: "success 41.2%", Want: "success >= 99.9%", Samples: 400},
		{Name: "share of calls reviews -> ratings with flag DI", Phase: "slow", Pos: pos("ratings-delay", 24), Verdict: record.Pass, Reason: "share is 100%", Measured: "share of calls reviews -> ratings with flag DI 100%", Want: "== 100%", Samples: 531},
		{Name: "ejected", Phase: "after", Pos: pos("ratings-delay", 25), Verdict: record.Inconclusive, Reason: "there were no calls in phase after"},
	}
	r.Verdict, r.Reason = record.Fail, "success of readers: success is 41.2%, wanted >= 99.9%"
	r.Notes = []string{"profile exact: Envoy's window for merging host updates is off (Istio keeps 1s), one worker thread"}
	return r
}
