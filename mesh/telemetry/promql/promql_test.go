package promql_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/promql"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func open(t testing.TB) *promql.Store {
	t.Helper()
	s, err := promql.Open(t.TempDir(), promql.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func point(name string, at time.Duration, value float64, labels ...string) telemetry.Point {
	m := map[string]string{}
	for i := 0; i < len(labels); i += 2 {
		m[labels[i]] = labels[i+1]
	}
	return telemetry.Point{Name: name, Labels: telemetry.MakeLabels(m), Time: t0.Add(at), Value: value}
}

// Seven requests in a phase of one second, after five before it, are seven: each series starts with a 0 and has a sample just
// inside each edge of the phase.
func TestSevenRequestsAreSeven(t *testing.T) {
	s := open(t)
	const name = "istio_requests_total"
	from, to := t0.Add(time.Second), t0.Add(2*time.Second)
	require.NoError(t, s.Append([]telemetry.Point{
		point(name, 0, 0, "response_code", "200"), point(name, 0, 0, "response_code", "503"),
		point(name, 1000*time.Millisecond, 5, "response_code", "200"), point(name, 1000*time.Millisecond, 0, "response_code", "503"),
		point(name, 1999*time.Millisecond, 10, "response_code", "200"), point(name, 1999*time.Millisecond, 2, "response_code", "503"),
		point(name, 2000*time.Millisecond, 99, "response_code", "200"), // of the next phase
	}[:6]))
	for expr, want := range map[string]float64{
		`sum(increase(istio_requests_total[$phase]))`:                                                             7,
		`sum(increase(istio_requests_total{response_code="503"}[$phase]))`:                                        2,
		`sum(rate(istio_requests_total[$phase]))`:                                                                 7,
		`sum(increase(istio_requests_total{response_code="200"}[$phase])) / 5`:                                    1,
		`increase(istio_requests_total{response_code="200"}[$phase] offset 0s) * 1 + on() group_left() vector(0)`: 5,
	} {
		v, err := s.Phase(t.Context(), expr, from, to)
		require.NoError(t, err, expr)
		got, ok := v.One()
		require.True(t, ok, expr)
		require.Equal(t, want, got, expr) //nolint:testifylint // exact on purpose
	}
}

// What plain PromQL says of the same seven requests: the traps that Phase avoids.
func TestTrapsOfIncrease(t *testing.T) {
	s := open(t)
	require.NoError(t, s.Append([]telemetry.Point{
		point("late", 1500*time.Millisecond, 3),
		point("left", 1000*time.Millisecond, 5), point("left", 2000*time.Millisecond, 12),
		point("inside", 1001*time.Millisecond, 5), point("inside", 2000*time.Millisecond, 12),
	}))
	query := func(expr string) promql.Value {
		v, err := s.Query(t.Context(), expr, t0.Add(2*time.Second))
		require.NoError(t, err)
		return v
	}
	require.Empty(t, query(`increase(late[1s])`).Series, "a first sample is no increase")
	require.Empty(t, query(`increase(left[1s])`).Series, "a range is open to the left")
	got, _ := query(`increase(inside[1s])`).One()
	require.InDelta(t, 7*1000.0/999, got, 1e-9, "extrapolated to the edges")
}

func TestValues(t *testing.T) {
	s := open(t)
	require.NoError(t, s.Append([]telemetry.Point{
		point("requests", 0, 1, "service", "überprüfung", "proxy.name", "a"), point("requests", time.Second, 3, "service", "überprüfung", "proxy.name", "a"),
		point("名前", 0, 4),
	}))
	v, err := s.Query(t.Context(), `{"requests", "proxy.name"="a"}`, t0.Add(time.Second))
	require.NoError(t, err)
	require.Equal(t, promql.Value{Type: "vector", Series: []promql.Series{{
		Name: "requests", Labels: telemetry.Labels{{Name: "proxy.name", Value: "a"}, {Name: "service", Value: "überprüfung"}},
		Samples: []promql.Sample{{Time: t0.Add(time.Second).Local(), Value: 3}},
	}}}, v)
	v, err = s.Query(t.Context(), `scalar({"名前"}) + 1`, t0)
	require.NoError(t, err)
	one, ok := v.One()
	require.True(t, ok)
	require.Equal(t, "scalar", v.Type)
	require.InDelta(t, 5, one, 0)
	v, err = s.Range(t.Context(), `requests`, t0, t0.Add(time.Second), 500*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, "matrix", v.Type)
	require.Len(t, v.Series[0].Samples, 3)
	_, ok = v.One()
	require.False(t, ok)
	v, err = s.Query(t.Context(), `"text"`, t0)
	require.NoError(t, err)
	require.Equal(t, promql.Value{Type: "string", Text: "text"}, v)
}

func TestAppend(t *testing.T) {
	s := open(t)
	err := s.Append([]telemetry.Point{
		point("a", time.Hour, 1), point("a", time.Hour, 2), point("a", time.Hour, 1), point("b", time.Hour, 1),
	})
	require.EqualError(t, err, `{__name__="a"} at 2026-11-23T13:00:00Z: there is another value for this millisecond`)
	err = s.Append([]telemetry.Point{point("a", time.Hour, 3), point("a", 0, 1), point("a", 55*time.Minute, 7)})
	require.EqualError(t, err, `{__name__="a"} at 2026-11-23T13:00:00Z: there is another value for this millisecond`+"\n"+
		`{__name__="a"} at 2026-11-23T12:00:00Z: it is older than the store takes`)
	v, err := s.Query(t.Context(), `a + on() b`, t0.Add(time.Hour))
	require.NoError(t, err)
	got, _ := v.One()
	require.InDelta(t, 2, got, 0)
	v, err = s.Query(t.Context(), `a`, t0.Add(56*time.Minute))
	require.NoError(t, err)
	got, _ = v.One()
	require.InDelta(t, 7, got, 0, "late ones are taken within ten minutes")
}

func TestErrorsHavePositions(t *testing.T) {
	require.NoError(t, promql.Check(`sum(increase(x[$phase]))`))
	err := promql.Check("sum(increase(x[$phase]))\n + nonsense(y)")
	var parse *promql.ParseError
	require.ErrorAs(t, err, &parse)
	require.Equal(t, [2]int{2, 4}, [2]int{parse.Line, parse.Col})
	require.EqualError(t, err, `2:4: unknown function with name "nonsense"`)

	s := open(t)
	for _, ask := range []func() error{
		func() error { _, err := s.Query(t.Context(), `sum(`, t0); return err },
		func() error { _, err := s.Range(t.Context(), `sum(`, t0, t0, time.Second); return err },
		func() error { _, err := s.Phase(t.Context(), `sum(`, t0, t0.Add(1)); return err },
	} {
		require.ErrorContains(t, ask(), `1:5: unclosed left parenthesis`)
	}
}

func TestHandler(t *testing.T) {
	s := open(t)
	require.NoError(t, s.Append([]telemetry.Point{point("up", 0, 1, "job", "a"), point("up", 0, 0, "job", "b"), point("down", 0, 2)}))
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	client := server.Client()
	t.Cleanup(client.CloseIdleConnections)
	ask := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/"+path, http.NoBody)
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close() //nolint:errcheck // read only
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.True(t, json.Valid(body), string(body))
		return resp.StatusCode, string(body)
	}
	at := fmt.Sprint(t0.Unix())
	for path, want := range map[string]string{
		"query?time=" + at + "&query=sum(up)":                       `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[` + at + `,"1"]}]}}`,
		"query?time=" + at + "&query=3":                             `{"status":"success","data":{"resultType":"scalar","result":[` + at + `,"3"]}}`,
		"query_range?query=down&step=1s&start=" + at + "&end=" + at: `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"down"},"values":[[` + at + `,"2"]]}]}}`,
		"labels":              `{"status":"success","data":["__name__","job"]}`,
		"labels?match[]=down": `{"status":"success","data":["__name__"]}`,
		"label/job/values":    `{"status":"success","data":["a","b"]}`,
		"label/job/values?match[]=" + url.QueryEscape(`up{job!="a"}`): `{"status":"success","data":["b"]}`,
		"label/none/values":   `{"status":"success","data":[]}`,
		"series?match[]=down": `{"status":"success","data":[{"__name__":"down"}]}`,
		"metadata":            `{"status":"success","data":{}}`,
	} {
		code, got := ask(path)
		require.Equal(t, http.StatusOK, code, got)
		require.JSONEq(t, want, got, path)
	}
	for _, path := range []string{"query?query=sum(", "query?query=1&time=x", "query_range?query=1", "series", "labels?match[]={"} {
		code, got := ask(path)
		require.Equal(t, http.StatusBadRequest, code, path)
		require.Contains(t, got, `"errorType":"bad_data"`)
	}
	resp, err := client.PostForm(server.URL+"/api/v1/query", url.Values{"query": {"1"}}) //nolint:noctx // as users do
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

func BenchmarkAppend(b *testing.B) {
	s := open(b)
	const series = 1000
	points := make([]telemetry.Point, series)
	n := 0
	for b.Loop() {
		for i := range points {
			points[i] = point("x", time.Duration(n)*time.Millisecond, float64(n), "series", fmt.Sprint(i))
		}
		require.NoError(b, s.Append(points))
		n++
	}
	b.ReportMetric(float64(n*series)/b.Elapsed().Seconds(), "points/s")
}
