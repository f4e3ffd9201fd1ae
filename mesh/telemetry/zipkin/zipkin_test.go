package zipkin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/zipkin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bookinfo = "463ac35c9f6413ad48485a3953bb6124"

var began = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixMicro()

func span(id, parent string, kind telemetry.Kind, service string, at int64) telemetry.Span {
	return telemetry.Span{
		TraceID: bookinfo, ID: strings.Repeat(id, 16), ParentID: parent, Kind: kind, Name: service + ":9080/*",
		Timestamp: began + at*1000, Duration: (100 - at) * 1000, LocalEndpoint: &telemetry.Endpoint{ServiceName: service, IPv4: "127.1.0.1", Port: 80},
		Tags: map[string]string{"component": "proxy", "http.status_code": "200"},
	}
}

// page is the trace of one page with reviews v2: the load generator's own id, which is the low half of the trace id, is the
// parent of the first span.
func page() []telemetry.Span {
	p := func(id string) string { return strings.Repeat(id, 16) }
	spans := []telemetry.Span{
		span("1", bookinfo[16:], telemetry.Client, "istio-ingressgateway", 0),
		span("2", p("1"), telemetry.Server, "productpage.default", 1),
		span("3", p("2"), telemetry.Client, "productpage.default", 2),
		span("4", p("3"), telemetry.Server, "details.default", 3),
		span("5", p("2"), telemetry.Client, "productpage.default", 10),
		span("6", p("5"), telemetry.Server, "reviews.default", 11),
		span("7", p("6"), telemetry.Client, "reviews.default", 12),
		span("8", p("7"), telemetry.Server, "ratings.default", 13),
	}
	spans[7].Tags["error"] = "true"
	return spans
}

// serve runs the API; send posts, get reads JSON.
func serve(t *testing.T, store *zipkin.Store) (send func(string, http.Header) int, get func(path string, into any) int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- zipkin.Serve(ctx, listener, store, nil) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	base := "http://" + listener.Addr().String()
	do := func(method, path string, body io.Reader, header http.Header, into any) int {
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, body)
		require.NoError(t, err)
		req.Header = header
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close() //nolint:errcheck // read only
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if into != nil && resp.StatusCode == http.StatusOK {
			require.NoError(t, json.Unmarshal(data, into), string(data))
		}
		return resp.StatusCode
	}
	return func(body string, header http.Header) int {
			return do(http.MethodPost, "/api/v2/spans", strings.NewReader(body), header, nil)
		}, func(path string, into any) int {
			return do(http.MethodGet, path, http.NoBody, nil, into)
		}
}

func TestBookinfo(t *testing.T) {
	store := zipkin.NewStore(0)
	send, get := serve(t, store)
	spans := page()
	for i := range spans { // in whatever order they come
		data, err := json.Marshal(spans[len(spans)-1-i : len(spans)-i])
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, send(string(data), nil))
	}
	tree, found := store.Trace(bookinfo)
	require.True(t, found)
	require.Len(t, tree.Spans, 8)
	require.Equal(t, []string{"details.default", "istio-ingressgateway", "productpage.default", "ratings.default", "reviews.default"}, tree.Services)
	require.Equal(t, 6, tree.Depth)
	require.Equal(t, "istio-ingressgateway", tree.Root.Span.Service())
	require.Len(t, tree.Roots, 1)
	require.Empty(t, tree.Orphans)
	require.Equal(t, bookinfo, tree.TraceID)

	var got []telemetry.Span
	require.Equal(t, http.StatusOK, get("/api/v2/trace/"+strings.ToUpper(bookinfo), &got))
	require.Len(t, got, 8)
	require.Equal(t, http.StatusNotFound, get("/api/v2/trace/1", nil))

	var services, names []string
	get("/api/v2/services", &services)
	require.Equal(t, tree.Services, services)
	get("/api/v2/spans?serviceName=reviews.default", &names)
	require.Equal(t, []string{"reviews.default:9080/*"}, names)

	var links []zipkin.Link
	get(fmt.Sprintf("/api/v2/dependencies?endTs=%d", began/1000+1000), &links)
	require.Equal(t, []zipkin.Link{
		{Parent: "istio-ingressgateway", Child: "productpage.default", CallCount: 1},
		{Parent: "productpage.default", Child: "details.default", CallCount: 1},
		{Parent: "productpage.default", Child: "reviews.default", CallCount: 1},
		{Parent: "reviews.default", Child: "ratings.default", CallCount: 1, ErrorCount: 1},
	}, links)
}

func TestTraces(t *testing.T) {
	store := zipkin.NewStore(0)
	_, get := serve(t, store)
	store.Add(page()...)
	later := span("1", "", telemetry.Client, "other", 50)
	later.TraceID = strings.Repeat("a", 16)
	store.Add(later)
	end := fmt.Sprintf("endTs=%d&", began/1000+1000)
	for query, want := range map[string][]string{
		"":                            {later.TraceID, bookinfo},
		"limit=1":                     {later.TraceID},
		"serviceName=ratings.default": {bookinfo},
		"serviceName=nobody":          {},
		"spanName=other:9080/*":       {later.TraceID},
		"minDuration=60000":           {bookinfo},
		"maxDuration=50000":           {later.TraceID},
		"serviceName=ratings.default&minDuration=90000":            {},
		"annotationQuery=error":                                    {bookinfo},
		"annotationQuery=error=false":                              {},
		"annotationQuery=component=proxy+and+http.status_code=200": {later.TraceID, bookinfo},
		"lookback=970": {later.TraceID},
	} {
		var got [][]telemetry.Span
		require.Equal(t, http.StatusOK, get("/api/v2/traces?"+end+query, &got), query)
		ids := []string{}
		for _, spans := range got {
			ids = append(ids, spans[0].TraceID)
		}
		require.Equal(t, want, ids, query)
	}
	require.Equal(t, http.StatusBadRequest, get("/api/v2/traces?limit=x", nil))
	require.Equal(t, http.StatusBadRequest, get("/api/v2/dependencies?endTs=-1", nil))
	require.Equal(t, http.StatusOK, get("/health", nil))
}

func TestPost(t *testing.T) {
	store := zipkin.NewStore(0)
	send, _ := serve(t, store)
	require.Equal(t, http.StatusBadRequest, send("{", nil))
	require.Equal(t, http.StatusBadRequest, send(`[{"traceId":"xyz","id":"1"}]`, nil))
	require.Equal(t, http.StatusBadRequest, send(`[{"traceId":"1","id":"0"}]`, nil))
	require.Equal(t, zipkin.Stats{}, store.Stats())
	require.Equal(t, http.StatusAccepted, send(`[{"traceId":"1","id":"2","parentId":"0","name":"GET"}]`, nil))
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := io.WriteString(z, `[{"traceId":"1","id":"3","parentId":"2"}]`)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.Equal(t, http.StatusAccepted, send(zipped.String(), http.Header{"Content-Encoding": {"gzip"}}))
	tree, _ := store.Trace("1")
	require.Equal(t, 2, tree.Depth)
	require.Equal(t, "get", tree.Root.Span.Name)
	require.Len(t, store.All(), 2)
}

func TestOldestTracesGo(t *testing.T) {
	store := zipkin.NewStore(3)
	for trace := range 3 {
		for id := range 2 {
			store.Add(telemetry.Span{TraceID: fmt.Sprintf("%016d", trace+1), ID: fmt.Sprintf("%016d", id+1)})
		}
	}
	require.Equal(t, zipkin.Stats{Traces: 1, Spans: 2, Dropped: 2}, store.Stats())
	_, found := store.Trace("1")
	require.False(t, found)
	_, found = store.Trace("3")
	require.True(t, found)
}

func TestWait(t *testing.T) {
	store := zipkin.NewStore(0)
	whole := func(tree telemetry.Tree) bool { return len(tree.Spans) == 8 }
	missing := make(chan []string, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() { missing <- store.Wait(ctx, []string{bookinfo}, whole) }()
	for _, s := range page() {
		store.Add(s)
	}
	require.Empty(t, <-missing)
	require.Empty(t, store.Wait(ctx, nil, whole))

	ended, end := context.WithCancel(t.Context())
	end()
	require.Equal(t, []string{"2"}, store.Wait(ended, []string{bookinfo, "2"}, whole))
}
