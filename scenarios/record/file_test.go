package record_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

func generator(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) } //nolint:gosec // repeatable, not secret

// seen is what a load of n requests leaves behind: each a call through three proxies, with a span of each.
type seen struct {
	results []loadgen.Result
	hops    []telemetry.Hop
	spans   []telemetry.Span
}

func load(name string, n int, rng *rand.Rand) seen {
	var s seen
	us := func(most int) time.Duration { return time.Duration(rng.IntN(most)) * time.Microsecond }
	spanID := func() string { return fmt.Sprintf("%016x", rng.Uint64()|1) }
	for i := range n {
		ids := loadgen.MakeIDs(7, name, uint64(i), true)
		due := start.Add(time.Duration(i) * 10 * time.Millisecond)
		sent := due.Add(us(300))
		r := loadgen.Result{
			Load: name, Seq: uint64(i), Scheduled: due, Sent: sent, End: sent.Add(3*time.Millisecond + us(4000)), Status: 200,
			Bytes: 4183, Value: []string{"v1", "v2"}[i%2], TraceID: ids.Trace, RequestID: ids.Request,
		}
		if i%10 == 3 {
			r.Status, r.Err, r.Header = 503, loadgen.ErrTimeout, map[string]string{"x-envoy-overloaded": "true"}
		}
		s.results = append(s.results, r)
		parent := ids.Span()
		for _, who := range []string{"istio-ingressgateway", "productpage-v1", "reviews-v2"} {
			id := spanID()
			at := sent.Add(us(900))
			h := telemetry.Hop{
				Time: at, Duration: time.Millisecond + us(2000), Proxy: "sidecar~" + who, Workload: who, Namespace: "default",
				Direction: telemetry.Outbound, Protocol: "HTTP/1.1", RequestID: ids.Request, TraceID: ids.Trace, SpanID: id,
				Method: "GET", Authority: "reviews:9080", Path: "/reviews/0", Status: r.Status, Route: "default",
				Cluster: "outbound|9080||reviews.default.svc.cluster.local", UpstreamAddress: "127.16.3.1:9080",
				UpstreamTime: us(1500), Attempts: 1 + i%2, DownstreamRemote: "127.16.1.1", BytesSent: uint64(rng.IntN(3) + 300),
				HeaderBytesReceived: uint64(380 + rng.IntN(3)),
			}
			if r.Status == 503 {
				h.Flags = []string{"URX", "UF"}
			}
			s.hops = append(s.hops, h)
			s.spans = append(s.spans, telemetry.Span{
				TraceID: ids.Trace, ID: id, ParentID: parent, Kind: telemetry.Client, Name: "reviews:9080/*",
				Timestamp: at.UnixMicro() + int64(rng.IntN(20)), Duration: h.Duration.Microseconds() - int64(rng.IntN(9)),
				LocalEndpoint: &telemetry.Endpoint{ServiceName: who, IPv4: "127.16.1.1"},
				Tags:          map[string]string{"guid:x-request-id": ids.Request, "http.status_code": fmt.Sprint(r.Status)},
			})
			parent = id
		}
	}
	return s
}

func header() *record.Run {
	return &record.Run{
		Scenario: spec.Scenario{Metadata: spec.Metadata{Name: "mine"}}, File: "mine.yaml", Start: start, Seed: 7,
		Workloads: []record.Workload{{Name: "reviews-v2-0", Owner: "reviews-v2", Address: "127.16.3.1", Proxy: "sidecar~reviews-v2"}},
	}
}

// write makes a file in batches, hops and spans later than the requests they belong to, or earlier.
func write(t *testing.T, s seen, batches int, end *record.Run) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := record.NewWriter(&out, header(), []diag.Pos{{File: "mine.yaml", Line: 9, Col: 3}})
	require.NoError(t, err)
	for b := range batches {
		require.NoError(t, w.Add(part(s.results, b, batches), part(s.hops, b, batches), part(s.spans, batches-1-b, batches)))
	}
	if end != nil {
		require.NoError(t, w.Close(end))
	}
	return out.Bytes()
}

func part[T any](all []T, b, of int) []T { return all[len(all)*b/of : len(all)*(b+1)/of] }

// shapes makes spans comparable although their ids were numbered anew: each parent by the service that it is.
func shapes(spans []telemetry.Span) map[string]int {
	byID := map[string]telemetry.Span{}
	for _, s := range spans {
		byID[s.TraceID+s.ID] = s
	}
	out := map[string]int{}
	for _, s := range spans {
		parent := "outside"
		if p, ok := byID[s.TraceID+s.ParentID]; ok {
			parent = p.LocalEndpoint.ServiceName
		} else if s.ParentID == s.TraceID[16:] {
			parent = "load"
		}
		local := *s.LocalEndpoint
		s.ID, s.ParentID, s.LocalEndpoint = "", parent, nil
		out[fmt.Sprintf("%+v %+v", s, local)]++
	}
	return out
}

func TestARecordGivesBackWhatWasSeen(t *testing.T) {
	for _, batches := range []int{1, 3, 8} {
		s := load("readers", 200, generator(1))
		other := load("jason", 50, generator(3))
		s.results, s.hops, s.spans = append(s.results, other.results...), append(s.hops, other.hops...), append(s.spans, other.spans...)
		s.hops[5].RequestID, s.spans[5].Tags["guid:x-request-id"] = "another id", "another id"
		s.hops[6].TraceID, s.hops[6].SpanID = "0123456789abcdef0123456789abcdef", ""
		s.results[7].RequestID = "mine"
		end := header()
		end.End = start.Add(time.Minute)
		end.Phases = []record.Phase{{Name: "all", To: 2 * time.Second}}
		end.Counters = map[string]map[string]record.Window{
			"all":    {"a": {Begin: map[string]uint64{"x": 1, "zero": 0, "gone": 4}, End: map[string]uint64{"x": 5, "zero": 0, "new": 1}}},
			"before": {"a": {Begin: map[string]uint64{"x": 1, "zero": 0}, End: map[string]uint64{"x": 1, "zero": 0}}},
		}
		run, where, err := record.Read(bytes.NewReader(write(t, s, batches, end)))
		require.NoError(t, err)
		require.Equal(t, []diag.Pos{{File: "mine.yaml", Line: 9, Col: 3}}, where)
		require.Equal(t, end.Phases, run.Phases)
		require.Equal(t, end.Counters, run.Counters)
		require.Equal(t, end.Workloads, run.Workloads)
		require.Empty(t, run.Broken)
		require.ElementsMatch(t, s.results, run.Results)
		blank := func(hops []telemetry.Hop) []telemetry.Hop {
			var out []telemetry.Hop
			for _, h := range hops {
				h.SpanID = ""
				out = append(out, h)
			}
			return out
		}
		require.ElementsMatch(t, blank(s.hops), blank(run.Hops))
		want := shapes(s.spans)
		for shape, n := range shapes(run.Spans) {
			require.Equal(t, want[shape], n, shape)
			delete(want, shape)
		}
		require.Empty(t, want)
		joined := map[string]string{}
		for _, sp := range run.Spans {
			joined[sp.TraceID+sp.ID] = sp.LocalEndpoint.ServiceName
		}
		for _, h := range run.Hops {
			if h.SpanID != "" {
				require.Equal(t, h.Workload, joined[h.TraceID+h.SpanID], "the hop and its span have one id")
			}
		}
	}
}

func TestARecordThatEndsEarlyGivesWhatItHas(t *testing.T) {
	s := load("readers", 400, generator(1))
	whole := write(t, s, 8, nil)
	for _, cut := range []int{len(whole), len(whole) * 3 / 4, len(whole) / 2} {
		run, _, err := record.Read(bytes.NewReader(whole[:cut]))
		require.NoError(t, err)
		require.Contains(t, run.Broken, "the run did not come to its end")
		require.NotEmpty(t, run.Results)
		require.NotEmpty(t, run.Hops)
		require.Subset(t, s.results, run.Results)
	}
}

func TestWhatIsNoRecordIsRefused(t *testing.T) {
	for name, data := range map[string]string{"empty": "", "text": "hello, this is no record", "other": "\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00"} {
		_, _, err := record.Read(strings.NewReader(data))
		require.Error(t, err, name)
	}
}

func TestARecordIsCompact(t *testing.T) {
	rng := generator(5)
	s := load("readers", 4_000, rng)
	all := len(write(t, s, 40, header()))
	requests := len(write(t, seen{results: s.results}, 40, header()))
	require.LessOrEqual(t, requests/len(s.results), 40, "bytes a request")
	require.LessOrEqual(t, (all-requests)/len(s.hops), 30, "bytes a hop with its span")
	t.Logf("%.1f bytes a request, %.1f a hop with its span", float64(requests)/float64(len(s.results)), float64(all-requests)/float64(len(s.hops)))
}

func TestARecordHoldsNoSecrets(t *testing.T) {
	const secret = "c2VjcmV0LXNlY3JldA"
	h := header()
	h.Scenario.Spec.Load = []spec.Load{{Name: "readers", Request: spec.Request{
		Path: "/page?token=" + secret, Headers: map[string]string{"Authorization": "Bearer " + secret, "cookie": "session=" + secret},
	}}}
	s := load("readers", 1, generator(1))
	s.results[0].Header = map[string]string{"set-cookie": secret}
	s.hops[0].Path = "/page?access_token=" + secret
	s.spans[0].Tags["authorization"] = secret
	var out bytes.Buffer
	w, err := record.NewWriter(&out, h, nil)
	require.NoError(t, err)
	require.NoError(t, w.Add(s.results, s.hops, s.spans))
	require.NoError(t, w.Close(h))
	run, _, err := record.Read(&out)
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%+v", run), secret)
	require.NotContains(t, fmt.Sprintf("%+v", run.Scenario.Spec.Load), secret)
	require.NotEmpty(t, run.Results)
}
