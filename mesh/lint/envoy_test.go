package lint_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
	"github.com/squallmesh/squall/mesh/xds/xdstest/envoytest"
)

func TestMain(m *testing.M) { envoytest.Main(m, os.Args, os.Stdin) }

// bench is one Envoy before services whose answers the test decides.
type bench struct {
	snap model.Snapshot
	port uint32
}

func full(name string) string { return name + ".default.svc.cluster.local" }

// serve adds a service with one endpoint for each handler.
func (b *bench) serve(t *testing.T, name string, handlers ...http.HandlerFunc) {
	t.Helper()
	b.snap.Services = b.snap.Services.Set(full(name), &model.Service{
		Host: full(name), Name: name, Namespace: "default", Resolution: model.Static,
		Ports: []model.Port{{Name: "http", Number: 9080, Protocol: model.HTTP}},
	})
	out := &model.Endpoints{Host: full(name)}
	for i, h := range handlers {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		a := srv.Listener.Addr().(*net.TCPAddr)
		out.List = append(out.List, model.Endpoint{
			Address: a.IP.String(), Ports: map[uint32]uint32{9080: uint32(a.Port)}, Labels: map[string]string{"version": fmt.Sprint("v", i+1)},
		})
	}
	b.snap.Endpoints = b.snap.Endpoints.Set(full(name), out)
}

func (b *bench) route(name string, h *model.HTTPRoute) {
	if len(h.Destinations) == 0 {
		h.Destinations = []*model.Destination{{Host: full(name), Port: 9080}}
	}
	b.snap = b.snap.WithVirtualService(&model.VirtualService{
		Name: name, Namespace: "default", Hosts: []string{full(name)}, Gateways: []string{model.MeshGateway}, HTTP: []*model.HTTPRoute{h},
	})
}

func (b *bench) policy(name string, p *model.TrafficPolicy, subsets ...*model.Subset) {
	b.snap = b.snap.WithDestinationRule(&model.DestinationRule{Name: name, Namespace: "default", Host: full(name), Policy: p, Subsets: subsets})
}

func (b *bench) start(t *testing.T) {
	t.Helper()
	b.port = envoytest.FreePort(t)
	envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{Snapshot: b.snap, Proxy: &model.Proxy{
		ID: "sidecar~a.default", Kind: model.Sidecar,
		Workload: &model.Workload{Name: "a", Namespace: "default", Address: "127.0.0.1", ProxyPort: b.port},
	}})
}

// ask gives status and body.
func (b *bench) ask(t *testing.T, name, user string) (int, string) {
	t.Helper()
	c := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", b.port)}),
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+full(name)+":9080/", nil)
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("x-user", user)
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// counter counts what reaches an endpoint.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) seen() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *counter) answering(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		c.n++
		c.mu.Unlock()
		w.WriteHeader(status)
	}
}

// What rules of the table rely on and no scenario of the catalogue shows yet, with a real Envoy.
func TestWhatTheRulesRelyOn(t *testing.T) {
	b := &bench{snap: model.Snapshot{Mesh: model.ExactMesh()}}
	hash := &model.LoadBalancer{Policy: model.RingHash, Hash: &model.HashPolicy{Header: "x-user"}}
	retry := func(n uint32) *model.RetryPolicy {
		return &model.RetryPolicy{Attempts: n, RetryOn: "5xx", Backoff: time.Millisecond}
	}

	b.serve(t, "delayed", says("well"))
	b.route("delayed", &model.HTTPRoute{Timeout: 50 * time.Millisecond, Fault: &model.Fault{Delay: &model.Delay{Fixed: 200 * time.Millisecond, Percent: 100}}})

	var bad, good counter
	b.serve(t, "hashed", bad.answering(500), good.answering(200))
	b.policy("hashed", &model.TrafficPolicy{LoadBalancer: hash})
	b.route("hashed", &model.HTTPRoute{Retries: retry(3)})

	b.serve(t, "weighted", says("one"), says("two"))
	b.policy("weighted", &model.TrafficPolicy{LoadBalancer: hash},
		&model.Subset{Name: "v1", Labels: map[string]string{"version": "v1"}}, &model.Subset{Name: "v2", Labels: map[string]string{"version": "v2"}})
	b.route("weighted", &model.HTTPRoute{Destinations: []*model.Destination{
		{Host: full("weighted"), Subset: "v1", Port: 9080, Weight: 50}, {Host: full("weighted"), Subset: "v2", Port: 9080, Weight: 50},
	}})

	var badTurn, goodTurn counter
	b.serve(t, "turns", badTurn.answering(500), goodTurn.answering(200))
	b.policy("turns", &model.TrafficPolicy{LoadBalancer: &model.LoadBalancer{Policy: model.RoundRobin}})
	b.route("turns", &model.HTTPRoute{Retries: retry(1)})

	gate := make(chan struct{})
	arrived := make(chan string, 100)
	held := func(w http.ResponseWriter, r *http.Request) {
		attempt := r.Header.Get("x-envoy-attempt-count")
		if strings.HasPrefix(r.Host, "budget") && attempt == "1" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		arrived <- r.Host
		<-gate
	}
	b.serve(t, "full", held)
	b.policy("full", &model.TrafficPolicy{Pool: &model.ConnectionPool{MaxConnections: 3, MaxRequests: 2, MaxPendingRequests: 5}})
	b.serve(t, "budget", held)
	b.route("budget", &model.HTTPRoute{Retries: retry(1)})
	b.policy("budget", &model.TrafficPolicy{RetryBudget: &model.RetryBudget{Percent: 100, MinConcurrency: 10}, Pool: &model.ConnectionPool{MaxRetries: 1}})
	b.start(t)

	t.Run("DELAY-OUTSIDE-TIMEOUT", func(t *testing.T) {
		status, body := b.ask(t, "delayed", "")
		require.Equal(t, "200 well", fmt.Sprint(status, " ", body))
	})
	t.Run("HASH-RETRIES-SAME-HOST", func(t *testing.T) {
		failed := 0
		for i := range 40 {
			if status, _ := b.ask(t, "hashed", fmt.Sprint("user-", i)); status == http.StatusInternalServerError {
				failed++
			}
		}
		require.Positive(t, failed)
		require.Less(t, failed, 40)
		require.Equal(t, 4*failed, bad.seen(), "each of the four tries of those whose hash is the bad one's")
		require.Equal(t, 40-failed, good.seen())
	})
	t.Run("HASH-ACROSS-WEIGHTS", func(t *testing.T) {
		seen := map[string]bool{}
		for range 100 { // one user; that all go to one of two is as likely as 2 in 2^100
			_, body := b.ask(t, "weighted", "jason")
			seen[body] = true
		}
		require.Len(t, seen, 2)
	})
	t.Run("RETRY-RESONANCE", func(t *testing.T) {
		for range 40 {
			status, _ := b.ask(t, "turns", "")
			require.Equal(t, http.StatusOK, status)
		}
		require.Equal(t, 40, goodTurn.seen())
		require.GreaterOrEqual(t, badTurn.seen(), 39, "all requests but perhaps the first began at the bad one")
	})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(gate)
	t.Run("LIMIT-NEVER-QUEUES", func(t *testing.T) {
		for range 2 {
			wg.Go(func() { b.ask(t, "full", "") })
			<-arrived
		}
		status, body := b.ask(t, "full", "")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, body, "overflow")
	})
	t.Run("MAX-RETRIES-IGNORED", func(t *testing.T) {
		for range 3 {
			wg.Go(func() { b.ask(t, "budget", "") })
		}
		for range 3 { // maxRetries 1 would have let one retry through
			<-arrived
		}
	})
}
