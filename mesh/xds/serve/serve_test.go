package serve_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/translate"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
)

const reviews = "reviews.default.svc.cluster.local"

// mesh is a mesh of one service and its rule, with the weight that tests change.
func mesh(timeout time.Duration, services ...string) *model.Snapshot {
	s := model.Snapshot{Mesh: model.DefaultMesh()}
	for _, name := range append([]string{"reviews"}, services...) {
		host := name + ".default.svc.cluster.local"
		s.Services = s.Services.Set(host, &model.Service{
			Host: host, Name: name, Namespace: "default", Resolution: model.Static,
			Ports: []model.Port{{Name: "http", Number: 9080, Protocol: model.HTTP}},
		})
		s.Endpoints = s.Endpoints.Set(host, &model.Endpoints{Host: host, List: []model.Endpoint{
			{Address: "127.16.1.1", Ports: map[uint32]uint32{9080: 9080}},
		}})
	}
	v := s.WithVirtualService(&model.VirtualService{
		Name: "reviews", Namespace: "default", Hosts: []string{reviews}, Gateways: []string{model.MeshGateway},
		Pos: diag.Pos{File: "reviews.yaml", Line: 4, Col: 1},
		HTTP: []*model.HTTPRoute{{
			Timeout: timeout, Destinations: []*model.Destination{{Host: reviews, Port: 9080}},
			Pos: diag.Pos{File: "reviews.yaml", Line: 7, Col: 7},
		}},
	})
	return &v
}

func proxy(name string) *model.Proxy {
	return &model.Proxy{ID: name, Kind: model.Sidecar, Workload: &model.Workload{
		Name: name, Namespace: "default", Address: "127.16.2.1", ProxyPort: 15001,
	}}
}

type server struct {
	*serve.Server
	socket string
}

func start(t *testing.T) server {
	t.Helper()
	return startWith(t, serve.Options{})
}

func startWith(t *testing.T, o serve.Options) server {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "x")
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", socket)
	require.NoError(t, err)
	s := serve.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return server{s, socket}
}

func (s server) connect(t *testing.T, id string, held map[translate.Type]map[string]string) *xdstest.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	c, err := xdstest.Connect(ctx, s.socket, id, held)
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		_ = c.Close()
	})
	return c
}

// take waits for the next response and acknowledges it.
func take(t *testing.T, c *xdstest.Client) xdstest.Response {
	t.Helper()
	r, err := c.Next()
	require.NoError(t, err)
	require.NoError(t, c.Ack(r))
	return r
}

// boot brings a proxy to the newest configuration, as Envoy does at its start.
func boot(t *testing.T, s server, c *xdstest.Client, id string) {
	t.Helper()
	require.NoError(t, c.Subscribe(translate.Cluster))
	cds := take(t, c)
	names, err := xdstest.EDSNames(cds)
	require.NoError(t, err)
	require.NoError(t, c.Subscribe(translate.Endpoint, names...))
	take(t, c)
	require.NoError(t, c.Subscribe(translate.Listener))
	take(t, c)
	require.NoError(t, c.Subscribe(translate.Route, translate.HTTPProxyTable))
	take(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.NoError(t, s.WaitLive(ctx, id))
}

// booted is a server with one proxy that holds all of a snapshot.
func booted(t *testing.T, snap *model.Snapshot) (server, *xdstest.Client) {
	t.Helper()
	s := start(t)
	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: snap, Proxies: []*model.Proxy{proxy("a")}}))
	c := s.connect(t, "a", nil)
	boot(t, s, c, "a")
	return s, c
}

// apply runs an Apply beside the test and gives its outcome.
func apply(t *testing.T, s server, timeout time.Duration, c serve.Change) <-chan error {
	t.Helper()
	out := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		_, err := s.Apply(ctx, c)
		out <- err
	}()
	return out
}

func TestApplyReturnsWhenEveryProxyHasAcknowledged(t *testing.T) {
	s, c := booted(t, mesh(0))

	done := apply(t, s, 5*time.Second, serve.Change{Snapshot: mesh(time.Second)})
	r, err := c.Next()
	require.NoError(t, err)
	require.Equal(t, translate.Route, r.Type)
	require.Len(t, r.GetResources(), 1, "only the table that changed is sent")
	select {
	case err := <-done:
		t.Fatalf("Apply returned before the acknowledgement: %v", err)
	default:
	}
	require.NoError(t, c.Ack(r))
	require.NoError(t, <-done)
}

// Make before break: a route to a new cluster goes out after the cluster and its endpoints were acknowledged, and the
// removal of a cluster after the routes.
func TestAdditionsComeBeforeRoutesAndRemovalsAfter(t *testing.T) {
	s, c := booted(t, mesh(0, "old"))

	done := apply(t, s, 5*time.Second, serve.Change{Snapshot: mesh(0, "new")})
	cds := take(t, c)
	require.Equal(t, translate.Cluster, cds.Type)
	require.Empty(t, cds.GetRemovedResources(), "nothing is removed while routes may lead to it")
	names, err := xdstest.EDSNames(cds)
	require.NoError(t, err)
	require.Equal(t, []string{"outbound|9080||new.default.svc.cluster.local"}, names)
	require.NoError(t, c.Subscribe(translate.Endpoint, names...))
	var order []translate.Type
	for {
		r := take(t, c)
		order = append(order, r.Type)
		if len(r.GetRemovedResources()) > 0 {
			require.Equal(t, []string{"outbound|9080||old.default.svc.cluster.local"}, r.GetRemovedResources())
			break
		}
	}
	require.Equal(t, translate.Cluster, order[len(order)-1])
	require.Contains(t, order, translate.Route)
	require.NoError(t, <-done)
}

func TestARejectionNamesTheRuleAndTheOldConfigurationCanComeBack(t *testing.T) {
	s, c := booted(t, mesh(0))

	done := apply(t, s, 5*time.Second, serve.Change{Snapshot: mesh(time.Second)})
	r, err := c.Next()
	require.NoError(t, err)
	require.NoError(t, c.Nack(r, "no such timeout"))
	err = <-done
	var rejected *serve.RejectedError
	require.ErrorAs(t, err, &rejected)
	require.Contains(t, err.Error(), "reviews.yaml:4:1: Envoy refuses this: no such timeout [NACK]")

	// The proxy still has the old table, so going back needs no message, and a further change is sent.
	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: mesh(0)}))
	done = apply(t, s, 5*time.Second, serve.Change{Snapshot: mesh(2 * time.Second)})
	take(t, c)
	require.NoError(t, <-done)
}

func TestASlowProxyIsNamedAndHoldsBackNobody(t *testing.T) {
	s := start(t)
	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: mesh(0), Proxies: []*model.Proxy{proxy("quick"), proxy("slow")}}))
	quick, slow := s.connect(t, "quick", nil), s.connect(t, "slow", nil)
	boot(t, s, quick, "quick")
	boot(t, s, slow, "slow")

	done := apply(t, s, 300*time.Millisecond, serve.Change{Snapshot: mesh(time.Second)})
	take(t, quick)
	err := <-done
	var late *serve.LateError
	require.ErrorAs(t, err, &late)
	require.Equal(t, map[string]serve.Stage{"slow": serve.Acked}, late.Missing)
	require.Equal(t, "the change is not live everywhere: slow is not acked", err.Error())
}

func TestAReturningProxyIsSentOnlyWhatItLacks(t *testing.T) {
	s, c := booted(t, mesh(0, "old"))
	held := c.Held
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool { return !s.Status()[0].Connected }, 5*time.Second, time.Millisecond)

	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: mesh(0)}))
	back := s.connect(t, "a", held)
	require.NoError(t, back.Subscribe(translate.Cluster))
	r := take(t, back)
	require.Empty(t, r.GetResources(), "clusters that the proxy still has are not sent again")
	require.Equal(t, []string{"outbound|9080||old.default.svc.cluster.local"}, r.GetRemovedResources())
}

// A control plane that was just started must not empty the proxies that come back to it.
func TestAProxyOutsideOfTheMeshIsSentNothing(t *testing.T) {
	s := start(t)
	c := s.connect(t, "a", nil)
	require.NoError(t, c.Subscribe(translate.Cluster))
	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: mesh(0), Proxies: []*model.Proxy{proxy("b")}}))
	done := apply(t, s, 5*time.Second, serve.Change{Proxies: []*model.Proxy{proxy("a"), proxy("b")}})
	r := take(t, c)
	require.Equal(t, translate.Cluster, r.Type)
	require.NoError(t, <-done)
}

// An Envoy waits at its start until the first request for all of a type is answered, also when there is nothing to say.
func TestNothingIsSaidToo(t *testing.T) {
	s := start(t)
	gateway := &model.Proxy{ID: "gw", Kind: model.Router, Workload: &model.Workload{Name: "gw", Namespace: "default", Address: "127.16.0.1"}}
	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: mesh(0), Proxies: []*model.Proxy{gateway}}))
	c := s.connect(t, "gw", nil)
	require.NoError(t, c.Subscribe(translate.Cluster))
	cds := take(t, c)
	names, err := xdstest.EDSNames(cds)
	require.NoError(t, err)
	require.NoError(t, c.Subscribe(translate.Endpoint, names...))
	take(t, c)
	require.NoError(t, c.Subscribe(translate.Listener))
	r := take(t, c)
	require.Equal(t, translate.Listener, r.Type)
	require.Empty(t, r.GetResources())
}
