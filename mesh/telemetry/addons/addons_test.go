package addons_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/addons"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
	"github.com/squallmesh/squall/mesh/telemetry/graph"
)

// What the proxies reported is found in Prometheus' words, in Zipkin's, and as a graph.
func TestAddons(t *testing.T) {
	dir := t.TempDir()
	c, err := collect.Start(t.Context(), collect.Options{AccessLogs: filepath.Join(dir, "a.sock"), Traces: filepath.Join(dir, "z.sock")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	s, err := addons.New(addons.Options{
		Collector: c, Dir: filepath.Join(dir, "metrics"),
		Members: func() []graph.Member {
			return []graph.Member{{App: "gw", Proxy: "g"}, {App: "reviews", Version: "v2", Address: "127.0.0.9", Proxy: "r"}}
		},
		Picture: func(g graph.Graph) string { return fmt.Sprintf("<p>%d edges over %g s</p>", len(g.Edges), g.Seconds) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)

	now := time.Now()
	require.NoError(t, s.Sample(t.Context(), now.Add(-10*time.Second)), "before anything was called")
	for i := range 3 {
		c.Ledger.Add(telemetry.Hop{
			Time: now.Add(-time.Second), Duration: 2 * time.Millisecond, Proxy: "g", Direction: telemetry.Gateway, Workload: "gw", Status: 200 + 301*(i/2),
			Cluster: "outbound|9080|v2|reviews.default.svc.cluster.local", UpstreamAddress: "127.0.0.9:9080",
		})
	}
	c.Spans.Add(telemetry.Span{TraceID: "00000000000000000000000000000001", ID: "0000000000000001", Name: "call", LocalEndpoint: &telemetry.Endpoint{ServiceName: "gw"}})
	require.NoError(t, s.Sample(t.Context(), now))

	require.Equal(t, "<p>2 edges over 60 s</p>", body(t, server.URL+"/graph", 200))
	require.Equal(t, "<p>0 edges over 1 s</p>", body(t, server.URL+"/graph?seconds=0.001", 200))
	require.Contains(t, body(t, server.URL+"/graph?seconds=many", 400), "many is not a number")
	require.Contains(t, body(t, server.URL+"/graph.dot", 200), `"gw" -> "reviews v2" [label="0.05/s, p99 2 ms, 33.3 % failed", color=red];`)
	var g graph.Graph
	require.NoError(t, json.Unmarshal([]byte(body(t, server.URL+"/graph.json", 200)), &g))
	require.Len(t, g.Edges, 2)

	query := url.Values{"query": {`sum by (response_code) (increase(istio_requests_total[5s]))`}, "time": {fmt.Sprintf("%.3f", float64(now.UnixMilli())/1000)}}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body(t, server.URL+"/prometheus/api/v1/query?"+query.Encode(), 200)), &answer))
	require.Len(t, answer.Data.Result, 2, "a new series begins at 0, so its first calls are an increase")

	text := body(t, server.URL+"/metrics", 200)
	require.Contains(t, text, "# TYPE istio_requests_total counter\n")
	require.Contains(t, text, "# TYPE istio_request_duration_milliseconds histogram\n")
	require.Regexp(t, `(?m)^istio_requests_total\{.*response_code="200".*\} 2$`, text)

	federated := body(t, server.URL+"/federate?"+url.Values{"match[]": {`{__name__="istio_requests_total",response_code="200"}`, `istio_requests_total{response_code="200"}`}}.Encode(), 200)
	require.Regexp(t, `^istio_requests_total\{.*response_code="200".*\} 2 \d+\n$`, federated, "each series once")
	require.Contains(t, body(t, server.URL+"/federate", 400), "match[] is required")
	require.JSONEq(t, `[{"targets":["`+strings.TrimPrefix(server.URL, "http://")+`"],"labels":{"job":"squall"}}]`, body(t, server.URL+"/sd", 200))

	require.Contains(t, body(t, server.URL+"/zipkin/api/v2/services", 200), "gw")
	require.Contains(t, body(t, server.URL+"/", 200), `href="/graph"`)
	body(t, server.URL+"/nothing", 404)
}

// A page from elsewhere that a browser shows must not read what goes on in here.
func TestOnlyThisMachineAsks(t *testing.T) {
	dir := t.TempDir()
	c, err := collect.Start(t.Context(), collect.Options{AccessLogs: filepath.Join(dir, "a.sock"), Traces: filepath.Join(dir, "z.sock")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	s, err := addons.New(addons.Options{Collector: c, Dir: filepath.Join(dir, "metrics")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for host, code := range map[string]int{"127.0.0.1:1": 200, "localhost:1": 200, "[::1]:1": 200, "evil.example": 403, "198.51.100.1:80": 403} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		require.Equal(t, code, w.Code, host)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/zipkin/api/v2/spans", nil)
	r.Host = "127.0.0.1"
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	require.Equal(t, 403, w.Code)
}

func body(t *testing.T, address string, code int) string {
	t.Helper()
	resp, err := http.Get(address) //nolint:gosec,noctx // the test's own server
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, code, resp.StatusCode, "%s: %s", address, data)
	return string(data)
}
