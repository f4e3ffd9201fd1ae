package serve_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
	"github.com/squallmesh/squall/mesh/xds/xdstest/envoytest"
)

func TestMain(m *testing.M) { envoytest.Main(m, os.Args, os.Stdin) }

// host starts a server of HTTP that says its name, and gives its address.
func host(t *testing.T, name string) model.Endpoint {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("x-host", name) }))
	t.Cleanup(srv.Close)
	a := srv.Listener.Addr().(*net.TCPAddr)
	return model.Endpoint{Address: a.IP.String(), Ports: map[uint32]uint32{9080: uint32(a.Port)}}
}

const flipHost = "flip.default.svc.cluster.local"

// flipping is a mesh of one service with these endpoints.
func flipping(settings *model.Mesh, list ...model.Endpoint) model.Snapshot {
	s := model.Snapshot{Mesh: settings}
	s.Services = s.Services.Set(flipHost, &model.Service{
		Host: flipHost, Name: "flip", Namespace: "default", Resolution: model.Static,
		Ports: []model.Port{{Name: "http", Number: 9080, Protocol: model.HTTP}},
	})
	s.Endpoints = s.Endpoints.Set(flipHost, &model.Endpoints{Host: flipHost, List: list})
	return s
}

// sidecarAt is a sidecar whose app uses it as an HTTP proxy at a port of 127.0.0.1.
func sidecarAt(port uint32) *model.Proxy {
	return &model.Proxy{ID: "sidecar~a.default", Kind: model.Sidecar, Workload: &model.Workload{
		Name: "a", Namespace: "default", Address: "127.0.0.1", ProxyPort: port,
	}}
}

// through makes requests by the sidecar, each on a connection of its own.
func through(port uint32) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		Proxy:             http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}),
	}}
}

func ask(t *testing.T, c *http.Client) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+flipHost+":9080/", nil)
	require.NoError(t, err)
	resp, err := c.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	if who := resp.Header.Get("x-host"); who != "" {
		return who
	}
	return resp.Status
}

// The promise of Apply, with either variant of the protocol: the first request afterwards sees the change.
func TestTheFirstRequestSeesTheChange(t *testing.T) {
	for _, full := range []bool{false, true} {
		t.Run(map[bool]string{false: "delta", true: "state of the world"}[full], func(t *testing.T) {
			one, two := host(t, "one"), host(t, "two")
			port := envoytest.FreePort(t)
			exact := model.ExactMesh()
			p := sidecarAt(port)
			s := envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{Snapshot: flipping(exact, one), Proxy: p, StateOfTheWorld: full})
			c := through(port)
			require.Equal(t, "one", ask(t, c))
			rule := func(snap model.Snapshot, abort uint32) model.Snapshot {
				return snap.WithVirtualService(&model.VirtualService{
					Name: "flip", Namespace: "default", Hosts: []string{flipHost}, Gateways: []string{model.MeshGateway},
					HTTP: []*model.HTTPRoute{{
						DirectResponse: &model.DirectResponse{Status: abort},
					}},
				})
			}
			policy := func(snap model.Snapshot) model.Snapshot {
				return snap.WithDestinationRule(&model.DestinationRule{
					Name: "flip", Namespace: "default", Host: flipHost,
					Policy: &model.TrafficPolicy{TLS: &model.ClientTLS{Mode: model.TLSSimple, InsecureSkipVerify: true}},
				})
			}
			for _, step := range []struct {
				what string
				snap model.Snapshot
				want string
			}{
				{"endpoint", flipping(exact, two), "two"},
				{"route", rule(flipping(exact, two), 410), "410 Gone"},
				{"route again", rule(flipping(exact, two), 404), "404 Not Found"},
				{"route gone", flipping(exact, two), "two"},
				{"cluster", policy(flipping(exact, two)), "503 Service Unavailable"}, // TLS to a host that has none
				{"cluster again", flipping(exact, two), "two"},
				{"service gone", model.Snapshot{Mesh: exact}, "502 Bad Gateway"},
				{"service back", flipping(exact, one), "one"},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				_, err := s.Apply(ctx, serve.Change{Snapshot: &step.snap})
				cancel()
				require.NoError(t, err, step.what)
				require.Equal(t, step.want, ask(t, c), step.what)
			}
			clusters, err := s.Envoy.Admin().Clusters(t.Context())
			require.NoError(t, err)
			n := 0
			for _, c := range clusters.GetClusterStatuses() {
				if c.GetName() == "outbound|9080||"+flipHost {
					n++
				}
			}
			require.Equal(t, 1, n)
		})
	}
}

// armed is a mesh whose one host answers every request with 500, by a fault of a scenario.
func armed(snap model.Snapshot) model.Snapshot {
	snap.Faults = snap.Faults.Set(flipHost, &model.LeasedFaults{List: []*model.LeasedFault{{
		ID: "f", Host: flipHost, Abort: &model.Abort{HTTPStatus: 500, Percent: 100}, Armed: true,
	}}})
	return snap
}

// An armed fault is a runtime layer that ends by itself unless it is renewed.
func TestALeaseLivesWhileItIsRenewed(t *testing.T) {
	port := envoytest.FreePort(t)
	snap := flipping(model.ExactMesh(), host(t, "one"))
	s := envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{Snapshot: snap, Proxy: sidecarAt(port)})
	c := through(port)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	faulty := armed(snap)
	_, err := s.Apply(ctx, serve.Change{Snapshot: &faulty})
	require.NoError(t, err)
	began := time.Now()
	for time.Since(began) < 4*time.Second {
		s.Refresh(0)
		require.Equal(t, "500 Internal Server Error", ask(t, c), "it is renewed beyond its time to live of 3 s")
		time.Sleep(200 * time.Millisecond)
	}
	for ask(t, c) != "one" {
		require.Less(t, time.Since(began), 15*time.Second, "it does not end")
		time.Sleep(50 * time.Millisecond)
	}
}

// A full stream has no leases, and so no faults of scenarios: that is refused, and nothing changes.
func TestAFaultIsNotArmedOnAFullStream(t *testing.T) {
	port := envoytest.FreePort(t)
	snap := flipping(model.ExactMesh(), host(t, "one"))
	s := envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{Snapshot: snap, Proxy: sidecarAt(port), StateOfTheWorld: true})
	c := through(port)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	faulty := armed(snap)
	_, err := s.Apply(ctx, serve.Change{Snapshot: &faulty})
	require.ErrorContains(t, err, "cannot be armed: the proxy sidecar~a.default speaks the state-of-the-world variant")
	require.Equal(t, "one", ask(t, c))
}

// A listener's rejection by a real Envoy reaches the caller of Apply, and the old configuration serves on.
func TestARealEnvoysRejectionIsTold(t *testing.T) {
	for _, full := range []bool{false, true} {
		t.Run(map[bool]string{false: "delta", true: "state of the world"}[full], func(t *testing.T) {
			port := envoytest.FreePort(t)
			exact := model.ExactMesh()
			s := envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{Snapshot: flipping(exact, host(t, "one")), Proxy: sidecarAt(port), StateOfTheWorld: full})
			bad := flipping(exact).WithVirtualService(&model.VirtualService{
				Name: "flip", Namespace: "default", Hosts: []string{flipHost}, Gateways: []string{model.MeshGateway},
				HTTP: []*model.HTTPRoute{{DirectResponse: &model.DirectResponse{Status: 99}}},
			})
			bad.Endpoints = flipping(exact, host(t, "two")).Endpoints
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := s.Apply(ctx, serve.Change{Snapshot: &bad})
			var rejected *serve.RejectedError
			require.ErrorAs(t, err, &rejected)
			require.Equal(t, "two", ask(t, through(port)), "the route of before, with the endpoints that were good")
		})
	}
}

// Envoy's merge window must not come between the acknowledgement of a change of health and the first request: changes that
// follow one another within the window are seen too.
func TestAChangeOfHealthIsSeenInTheMergeWindow(t *testing.T) {
	one, two := host(t, "one"), host(t, "two")
	port := envoytest.FreePort(t)
	settings := model.DefaultMesh()
	require.Positive(t, settings.MergeWindow)
	s := envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{Snapshot: flipping(settings, one, two), Proxy: sidecarAt(port)})
	c := through(port)
	for n := range 10 {
		list := []model.Endpoint{one, two}
		list[1-n%2].Health = model.Unhealthy
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		snap := flipping(settings, list...)
		_, err := s.Apply(ctx, serve.Change{Snapshot: &snap})
		cancel()
		require.NoError(t, err)
		for range 4 {
			require.Equal(t, []string{"one", "two"}[n%2], ask(t, c))
		}
	}
}

// A listener that changes serves its open connections until they end or the drain time is over.
func TestDrainedIsAStageOfItsOwn(t *testing.T) {
	port, tcp := envoytest.FreePort(t), envoytest.FreePort(t)
	one := host(t, "one")
	settings := model.ExactMesh()
	p := sidecarAt(port)
	p.Workload.Inbound = []model.Inbound{{
		Host: flipHost, Port: 9080, Protocol: model.TCP, Listen: model.Socket{Address: "127.0.0.1", Port: tcp},
		App: model.Socket{Address: one.Address, Port: one.Ports[9080]},
	}}
	s := envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{Snapshot: flipping(settings, one), Proxy: p, DrainTime: time.Minute})
	open, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", tcp))
	require.NoError(t, err)
	defer func() { _ = open.Close() }()
	require.NoError(t, open.SetDeadline(time.Now().Add(10*time.Second)))
	hello := func() {
		_, err := fmt.Fprint(open, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		_, err = open.Read(make([]byte, 1024))
		require.NoError(t, err)
	}
	hello()

	next := sidecarAt(port)
	next.Workload.Inbound = []model.Inbound{p.Workload.Inbound[0]}
	next.Workload.Inbound[0].Protocol = model.HTTP
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	report, err := s.Apply(ctx, serve.Change{Proxies: []*model.Proxy{next}})
	require.NoError(t, err, "the drain is not part of the barrier")
	short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
	defer stop()
	var late *serve.LateError
	require.ErrorAs(t, s.AwaitDrained(short, &report), &late)
	require.Equal(t, map[string]serve.Stage{next.ID: serve.Drained}, late.Missing)
	hello()

	another, err := s.Apply(ctx, serve.Change{Proxies: []*model.Proxy{next}})
	require.NoError(t, err)
	require.NoError(t, s.AwaitDrained(ctx, &another), "a change that touches no listener has nothing to drain")
}
