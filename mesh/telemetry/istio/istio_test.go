package istio_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/istio"
	"github.com/squallmesh/squall/mesh/telemetry/promql"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func peer(name, version string) istio.Peer {
	return istio.Peer{
		Workload: name + "-" + version, Namespace: "default", App: name, Version: version, CanonicalService: name, CanonicalRevision: version,
		Principal: "spiffe://cluster.local/ns/default/sa/bookinfo-" + name,
	}
}

func metrics() *istio.Metrics {
	return istio.New(istio.Options{
		Peers: func(address string) (istio.Peer, bool) {
			p, ok := map[string]istio.Peer{"127.1.0.1": peer("productpage", "v1"), "127.1.0.2": peer("reviews", "v2")}[address]
			return p, ok
		},
		Proxies: func(id string) (istio.Peer, bool) {
			p, ok := map[string]istio.Peer{"p": peer("productpage", "v1"), "r": peer("reviews", "v2")}[id]
			return p, ok
		},
	})
}

func outbound() telemetry.Hop {
	return telemetry.Hop{
		Proxy: "p", Direction: telemetry.Outbound, Cluster: "outbound|9080|v2|reviews.default.svc.cluster.local",
		UpstreamAddress: "127.1.0.2:9080", Status: 503, Flags: []string{"URX", "UF"}, Duration: 30 * time.Millisecond,
		BytesReceived: 3, HeaderBytesReceived: 4, BytesSent: 100, Authority: "reviews:9080",
	}
}

func named(points []telemetry.Point, name string) []telemetry.Point {
	var found []telemetry.Point
	for _, p := range points {
		if p.Name == name {
			found = append(found, p)
		}
	}
	return found
}

func TestSource(t *testing.T) {
	m := metrics()
	m.Add(outbound())
	m.Add(outbound())
	points := m.Sample(t0)
	require.Equal(t, []telemetry.Point{{
		Name: istio.RequestsTotal, Time: t0, Value: 2, Labels: telemetry.MakeLabels(map[string]string{
			"reporter": "source", "request_protocol": "http", "response_code": "503", "response_flags": "URX,UF",
			"connection_security_policy": "unknown",
			"source_workload":            "productpage-v1", "source_workload_namespace": "default", "source_principal": "unknown",
			"source_app": "productpage", "source_version": "v1", "source_canonical_service": "productpage",
			"source_canonical_revision": "v1", "source_cluster": "Kubernetes",
			"destination_workload": "reviews-v2", "destination_workload_namespace": "default", "destination_principal": "unknown",
			"destination_app": "reviews", "destination_version": "v2", "destination_canonical_service": "reviews",
			"destination_canonical_revision": "v2", "destination_cluster": "Kubernetes",
			"destination_service": "reviews.default.svc.cluster.local", "destination_service_name": "reviews",
			"destination_service_namespace": "default",
		}),
	}}, named(points, istio.RequestsTotal))

	buckets := map[string]float64{}
	for _, p := range named(points, istio.RequestDuration+"_bucket") {
		buckets[p.Labels.Get("le")] = p.Value
	}
	require.Len(t, buckets, 20)
	require.Equal(t, []float64{0, 2, 2, 2}, []float64{buckets["25"], buckets["50"], buckets["3600000"], buckets["+Inf"]})
	require.InDelta(t, 60, named(points, istio.RequestDuration+"_sum")[0].Value, 1e-9)
	require.InDelta(t, 2, named(points, istio.RequestDuration+"_count")[0].Value, 0)
	require.InDelta(t, 14, named(points, istio.RequestBytes+"_sum")[0].Value, 0)
	require.InDelta(t, 200, named(points, istio.ResponseBytes+"_sum")[0].Value, 0)
}

func TestDestination(t *testing.T) {
	m := metrics()
	m.Add(telemetry.Hop{
		Proxy: "r", Direction: telemetry.Inbound, Cluster: "inbound|9080||", DownstreamRemote: "127.1.0.1:40000", Status: 200,
		Principal: "spiffe://cluster.local/ns/default/sa/bookinfo-productpage", LocalPrincipal: "spiffe://x", Authority: "reviews:9080",
		GRPC: true, GRPCStatus: "0",
	})
	l := named(m.Sample(t0), istio.RequestsTotal)[0].Labels
	for name, want := range map[string]string{
		"reporter": "destination", "source_workload": "productpage-v1", "destination_workload": "reviews-v2",
		"connection_security_policy": "mutual_tls", "source_principal": "spiffe://cluster.local/ns/default/sa/bookinfo-productpage",
		"destination_principal": "spiffe://x", "response_flags": "-", "request_protocol": "grpc", "grpc_response_status": "0",
		"destination_service": "reviews", "destination_service_name": "reviews", "destination_service_namespace": "default",
	} {
		require.Equal(t, want, l.Get(name), name)
	}
}

func TestUnknown(t *testing.T) {
	m := istio.New(istio.Options{})
	m.Add(telemetry.Hop{Direction: telemetry.Gateway, Authority: "nowhere:80", Flags: []string{"NR"}, Status: 404})
	m.Add(telemetry.Hop{Direction: telemetry.Outbound, Cluster: "BlackHoleCluster", Authority: "example.com", Status: 502})
	points := named(m.Sample(t0), istio.RequestsTotal)
	require.Len(t, points, 2)
	names := map[string]string{}
	for _, p := range points {
		names[p.Labels.Get("destination_service_name")] = p.Labels.Get("destination_service")
		require.Equal(t, "unknown", p.Labels.Get("source_cluster"))
		require.Equal(t, "unknown", p.Labels.Get("destination_workload"))
	}
	require.Equal(t, map[string]string{"nowhere": "nowhere", "BlackHoleCluster": "example.com"}, names)
}

func TestTCP(t *testing.T) {
	m := metrics()
	m.Add(telemetry.Hop{
		TCP: true, Proxy: "p", Direction: telemetry.Outbound, Cluster: "outbound|9000||tcp-echo.default.svc.cluster.local",
		BytesSent: 10, BytesReceived: 20,
	})
	values := map[string]float64{}
	for _, p := range m.Sample(t0) {
		values[p.Name] = p.Value
		require.Empty(t, p.Labels.Get("response_code"))
		require.Equal(t, "tcp-echo", p.Labels.Get("destination_service_name"))
	}
	require.Equal(t, map[string]float64{
		istio.TCPConnectionsOpened: 1, istio.TCPConnectionsClosed: 1, istio.TCPSentBytes: 10, istio.TCPReceivedBytes: 20,
	}, values)
}

// From hops to an exact number: every series starts at 0, and is sampled at the edges of the phase.
func TestSevenRequestsInASecond(t *testing.T) {
	store, err := promql.Open(t.TempDir(), promql.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	m := metrics()
	failed, good := outbound(), outbound()
	good.Status, good.Flags = 200, nil
	m.Start(failed)
	m.Start(good)
	sample := func(at time.Duration) { require.NoError(t, store.Append(m.Sample(t0.Add(at)))) }
	sample(0)
	for range 4 {
		m.Add(good)
	}
	sample(1000 * time.Millisecond)
	for range 5 {
		m.Add(good)
	}
	m.Add(failed)
	m.Add(failed)
	sample(1999 * time.Millisecond)
	m.Add(good)
	sample(3000 * time.Millisecond)
	for expr, want := range map[string]float64{
		`sum(increase(istio_requests_total[$phase]))`:                                                     7,
		`sum(increase(istio_requests_total{response_flags=~".*UF.*"}[$phase]))`:                           2,
		`sum(increase(istio_request_duration_milliseconds_count{reporter="source"}[$phase]))`:             7,
		`sum by () (increase(istio_request_duration_milliseconds_bucket{le="25"}[$phase]))`:               0,
		`histogram_quantile(0.5, sum by (le) (rate(istio_request_duration_milliseconds_bucket[$phase])))`: 37.5,
	} {
		v, err := store.Phase(t.Context(), expr, t0.Add(time.Second), t0.Add(2*time.Second))
		require.NoError(t, err)
		got, ok := v.One()
		require.True(t, ok, expr)
		require.Equal(t, want, got, expr) //nolint:testifylint // exact on purpose
	}
}
