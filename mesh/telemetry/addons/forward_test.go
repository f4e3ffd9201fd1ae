package addons_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/addons"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
	"github.com/squallmesh/squall/mesh/telemetry/otlp"
)

// What a mesh reports goes on to a Prometheus, a Zipkin and a collector of OpenTelemetry; one that fails at first gets it later.
func TestForward(t *testing.T) {
	var refused atomic.Bool
	samples, zipkinSpans, otlpSpans := make(chan []string, 100), make(chan []telemetry.Span, 100), make(chan []telemetry.Span, 100)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/write", func(w http.ResponseWriter, r *http.Request) {
		if refused.CompareAndSwap(false, true) {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		data, _ := io.ReadAll(r.Body)
		raw, err := snappy.Decode(nil, data)
		var in prompb.WriteRequest
		if err != nil || in.Unmarshal(raw) != nil {
			http.Error(w, "no write request", http.StatusBadRequest)
			return
		}
		var names []string
		for _, s := range in.Timeseries {
			names = append(names, s.Labels[slices.IndexFunc(s.Labels, func(l prompb.Label) bool { return l.Name == "__name__" })].Value)
		}
		samples <- names
	})
	mux.HandleFunc("POST /api/v2/spans", func(w http.ResponseWriter, r *http.Request) {
		var in []telemetry.Span
		_ = json.NewDecoder(r.Body).Decode(&in)
		zipkinSpans <- in
		w.WriteHeader(http.StatusAccepted)
	})
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	otlp.Register(server, func(s []telemetry.Span) { otlpSpans <- s })
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)

	var forward []addons.Forward
	add := func(f addons.Forward, err error) {
		require.NoError(t, err)
		forward = append(forward, f)
	}
	add(addons.ToPrometheus(web.URL + "/api/v1/write"))
	add(addons.ToTraces(web.URL + "/api/v2/spans"))
	add(addons.ToTraces("otlp://" + listener.Addr().String()))
	_, err = addons.ToPrometheus("127.0.0.1:9090")
	require.ErrorContains(t, err, "is not an address")
	_, err = addons.ToTraces("otlp://127.0.0.1")
	require.ErrorContains(t, err, "or otlp://HOST:PORT")

	dir := t.TempDir()
	c, err := collect.Start(t.Context(), collect.Options{AccessLogs: filepath.Join(dir, "a.sock"), Traces: filepath.Join(dir, "z.sock")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	warnings := make(chan error, 10)
	s, err := addons.New(addons.Options{
		Collector: c, Dir: filepath.Join(dir, "metrics"), Every: 20 * time.Millisecond, Forward: forward, Warn: func(err error) { warnings <- err },
		Gauges: func(_ context.Context, at time.Time) []telemetry.Point {
			return []telemetry.Point{{Name: "pilot_xds", Time: at, Value: 2}}
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	at, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, at) }()
	c.Ledger.Add(telemetry.Hop{Time: time.Now(), Proxy: "g", Direction: telemetry.Gateway, Status: 200})
	span := telemetry.Span{TraceID: "00000000000000000000000000000001", ID: "0000000000000001", Timestamp: 1, Duration: 1, LocalEndpoint: &telemetry.Endpoint{ServiceName: "gw"}}
	c.Report(span)

	names := <-samples
	require.Contains(t, names, "pilot_xds")
	require.ErrorContains(t, <-warnings, "not yet")
	require.Equal(t, span.TraceID, (<-zipkinSpans)[0].TraceID)
	require.Equal(t, "gw", (<-otlpSpans)[0].Service())
	require.Eventually(t, func() bool { return slices.Contains(<-samples, "istio_requests_total") }, 10*time.Second, time.Millisecond)
	stop()
	require.NoError(t, <-done)
}
