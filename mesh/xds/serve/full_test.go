package serve_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/translate"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
)

const (
	reviewsCluster = "outbound|9080||reviews.default.svc.cluster.local"
	oldCluster     = "outbound|9080||old.default.svc.cluster.local"
	newCluster     = "outbound|9080||new.default.svc.cluster.local"
)

func (s server) connectFull(t *testing.T, id string) *xdstest.FullClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	c, err := xdstest.ConnectFull(ctx, s.socket, id)
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		_ = c.Close()
	})
	return c
}

func takeFull(t *testing.T, c *xdstest.FullClient) xdstest.FullResponse {
	t.Helper()
	r, err := c.Next()
	require.NoError(t, err)
	require.NoError(t, c.Ack(r))
	return r
}

// bootFull brings a proxy to the newest configuration that holds these clusters, as Envoy does at its start.
func bootFull(t *testing.T, s server, c *xdstest.FullClient, clusters ...string) {
	t.Helper()
	require.NoError(t, c.Subscribe(translate.Cluster))
	cds := takeFull(t, c)
	require.Subset(t, cds.Names, clusters)
	require.NoError(t, c.Subscribe(translate.Endpoint, clusters...))
	require.ElementsMatch(t, clusters, takeFull(t, c).Names)
	require.NoError(t, c.Subscribe(translate.Listener))
	takeFull(t, c)
	require.NoError(t, c.Subscribe(translate.Route, translate.HTTPProxyTable))
	require.Equal(t, []string{translate.HTTPProxyTable}, takeFull(t, c).Names)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.NoError(t, s.WaitLive(ctx, "a"))
}

// bootedFull is a server with one proxy on a full stream that holds all of mesh(0).
func bootedFull(t *testing.T) (server, *xdstest.FullClient) {
	t.Helper()
	s := start(t)
	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: mesh(0), Proxies: []*model.Proxy{proxy("a")}}))
	c := s.connectFull(t, "a")
	bootFull(t, s, c, reviewsCluster)
	return s, c
}

// In the state-of-the-world variant a cluster goes by being missing in a full set, which must not come before the routes
// have left it.
func TestFullSetsKeepTheOldUntilTheRoutesHaveLeft(t *testing.T) {
	s := start(t)
	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: mesh(0, "old"), Proxies: []*model.Proxy{proxy("a")}}))
	c := s.connectFull(t, "a")
	bootFull(t, s, c, reviewsCluster, oldCluster)

	done := apply(t, s, 5*time.Second, serve.Change{Snapshot: mesh(0, "new")})
	cds, err := c.Next()
	require.NoError(t, err)
	require.Equal(t, translate.Cluster, cds.Type)
	require.Subset(t, cds.Names, []string{reviewsCluster, oldCluster, newCluster}, "the set is full, and nothing is gone yet")
	require.NoError(t, c.Subscribe(translate.Endpoint, reviewsCluster, oldCluster, newCluster))
	eds := takeFull(t, c)
	require.Equal(t, translate.Endpoint, eds.Type)
	require.Equal(t, []string{newCluster}, eds.Names, "only what is new")
	require.NoError(t, c.Ack(cds)) // an Envoy answers when its clusters are warm
	rds := takeFull(t, c)
	require.Equal(t, translate.Route, rds.Type)
	last := takeFull(t, c)
	require.Equal(t, translate.Cluster, last.Type)
	require.Contains(t, last.Names, newCluster)
	require.NotContains(t, last.Names, oldCluster)
	require.NoError(t, <-done)
}

func TestAFullSetWithoutChangesSendsNothing(t *testing.T) {
	s, c := bootedFull(t)
	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: mesh(0)}))
	done := apply(t, s, 5*time.Second, serve.Change{Snapshot: mesh(time.Second)})
	require.Equal(t, translate.Route, takeFull(t, c).Type, "the first message after two applies is the second one's")
	require.NoError(t, <-done)
}

func TestARejectionOfAFullSetNamesTheRule(t *testing.T) {
	s, c := bootedFull(t)
	done := apply(t, s, 5*time.Second, serve.Change{Snapshot: mesh(time.Second)})
	r, err := c.Next()
	require.NoError(t, err)
	require.NoError(t, c.Nack(r, "no such timeout"))
	require.ErrorContains(t, <-done, "reviews.yaml:4:1: Envoy refuses this: no such timeout [NACK]")
	done = apply(t, s, 5*time.Second, serve.Change{Snapshot: mesh(2 * time.Second)})
	takeFull(t, c)
	require.NoError(t, <-done)
}

// A request that crosses with a response is not an answer to it.
func TestAnAnswerToAnOlderResponseIsNoAcknowledgement(t *testing.T) {
	s, c := bootedFull(t)
	done := apply(t, s, 5*time.Second, serve.Change{Snapshot: mesh(time.Second)})
	r, err := c.Next()
	require.NoError(t, err)
	require.Equal(t, translate.Route, r.Type)
	require.NoError(t, c.Subscribe(translate.Route, translate.HTTPProxyTable)) // with the nonce of before
	require.NoError(t, c.Subscribe(translate.Endpoint, reviewsCluster, "unknown"))
	select {
	case err := <-done:
		t.Fatalf("Apply returned without an acknowledgement: %v", err)
	default:
	}
	require.NoError(t, c.Ack(r))
	require.NoError(t, <-done)
}

// go-control-plane drops a response that it has not sent yet when the proxy asks for that type once more. What was in it
// must come all the same. Whether that happens is up to the scheduler, so it is tried often.
func TestNothingIsLostWhenRequestsComeFast(t *testing.T) {
	s := start(t)
	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: mesh(0, "old"), Proxies: []*model.Proxy{proxy("a")}}))
	for range 50 {
		c := s.connectFull(t, "a")
		require.NoError(t, c.Subscribe(translate.Cluster))
		require.NoError(t, c.Subscribe(translate.Cluster))
		require.Subset(t, takeFull(t, c).Names, []string{reviewsCluster, oldCluster})
		require.NoError(t, c.Subscribe(translate.Endpoint, reviewsCluster))
		require.NoError(t, c.Subscribe(translate.Endpoint, reviewsCluster, oldCluster))
		got := map[string]bool{}
		for !got[reviewsCluster] || !got[oldCluster] {
			for _, name := range takeFull(t, c).Names {
				got[name] = true
			}
		}
		require.NoError(t, c.Close())
		require.Eventually(t, func() bool { return !s.Status()[0].Connected }, 5*time.Second, time.Millisecond)
	}
}
