package agent_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secretv3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/squallmesh/squall/mesh/ca"
	"github.com/squallmesh/squall/mesh/ca/agent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is moved by tests.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is an authority that can be stopped and started, and an agent that uses it.
type world struct {
	t        *testing.T
	dir      string
	clock    *clock
	callers  *ca.Verifier
	attestor *ca.Attestor
	agent    *agent.Agent
	stop     func()
}

var ratings = ca.Workload{Namespace: "default", ServiceAccount: "ratings", Name: "ratings-v1-0"}

func start(t *testing.T, ttl time.Duration) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "ag") //nolint:usetesting // a socket's path is short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	w := &world{t: t, dir: dir, clock: &clock{at: time.Now()}}
	w.attestor, err = ca.NewAttestor(w.clock.now)
	require.NoError(t, err)
	key, err := w.attestor.PublicKey()
	require.NoError(t, err)
	w.callers, err = ca.NewVerifier(key, w.clock.now)
	require.NoError(t, err)
	w.serve()
	conn, err := grpc.NewClient("unix:"+filepath.Join(dir, "ca"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	id, err := ratings.ID("cluster.local")
	require.NoError(t, err)
	w.agent = agent.New(agent.Options{
		Authority: conn, ID: id, TTL: ttl, Now: w.clock.now, Token: func() (string, error) { return w.attestor.Token(ratings) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", filepath.Join(dir, "sds"))
	require.NoError(t, err)
	running.Go(func() { _ = w.agent.Run(ctx) })
	running.Go(func() { _ = w.agent.Serve(ctx, l) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		require.NoError(t, conn.Close())
		w.stop()
	})
	return w
}

// serve starts the authority, the same one each time.
func (w *world) serve() {
	w.t.Helper()
	authority, err := ca.Open(ca.Options{Dir: filepath.Join(w.dir, "authority"), Now: w.clock.now})
	require.NoError(w.t, err)
	_ = os.Remove(filepath.Join(w.dir, "ca"))
	var lc net.ListenConfig
	l, err := lc.Listen(w.t.Context(), "unix", filepath.Join(w.dir, "ca"))
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = ca.NewServer(authority, w.callers, nil).Serve(ctx, l)
	}()
	w.stop = func() { cancel(); <-done }
}

// next waits for a certificate other than the one before.
func (w *world) next(before string) string {
	w.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		serial, changed, err := w.agent.Version()
		if serial != before {
			return serial
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(w.t, "no new certificate", "%v", err)
		}
	}
}

func (w *world) secrets() secretv3.SecretDiscoveryService_StreamSecretsClient {
	w.t.Helper()
	conn, err := grpc.NewClient("unix:"+filepath.Join(w.dir, "sds"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	w.t.Cleanup(func() { cancel(); _ = conn.Close() })
	stream, err := secretv3.NewSecretDiscoveryServiceClient(conn).StreamSecrets(ctx)
	require.NoError(w.t, err)
	return stream
}

func ask(t *testing.T, s secretv3.SecretDiscoveryService_StreamSecretsClient, names ...string) {
	t.Helper()
	require.NoError(t, s.Send(&discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: "e"}, ResourceNames: names}))
}

// pair reads a secret as Envoy does, and gives the certificate's serial number.
func pair(t *testing.T, r *discoveryv3.DiscoveryResponse) string {
	t.Helper()
	require.Len(t, r.GetResources(), 1)
	var secret tlsv3.Secret
	require.NoError(t, r.GetResources()[0].UnmarshalTo(&secret))
	c := secret.GetTlsCertificate()
	p, err := tls.X509KeyPair(c.GetCertificateChain().GetInlineBytes(), c.GetPrivateKey().GetInlineBytes())
	require.NoError(t, err, "key and certificate must belong together")
	require.Equal(t, "spiffe://cluster.local/ns/default/sa/ratings", p.Leaf.URIs[0].String())
	return p.Leaf.SerialNumber.Text(16)
}

func TestEnvoyGetsEachNewCertificate(t *testing.T) {
	w := start(t, time.Second) // it is renewed every half a second
	s := w.secrets()
	ask(t, s, agent.SecretName)
	seen := map[string]bool{}
	for range 3 {
		r, err := s.Recv()
		require.NoError(t, err)
		seen[pair(t, r)] = true
		w.clock.add(600 * time.Millisecond)
	}
	require.Len(t, seen, 3, "each has another serial number")
}

func TestNobodyGetsASecretOfAnotherName(t *testing.T) {
	s := start(t, 0).secrets()
	ask(t, s, "default", "somebody-else")
	_, err := s.Recv()
	require.Equal(t, codes.NotFound, status.Code(err), "%v", err)
}

func TestAnAuthorityThatIsAwayCostsNothingButTheRenewal(t *testing.T) {
	t.Parallel()
	w := start(t, time.Hour)
	first := w.next("")
	w.stop()
	w.clock.add(40 * time.Minute) // its renewal is due
	s := w.secrets()
	ask(t, s, agent.SecretName)
	r, err := s.Recv()
	require.NoError(t, err)
	require.Equal(t, first, pair(t, r), "the last certificate serves on")
	w.serve()
	require.NotEqual(t, first, w.next(first), "the same authority is back, and renews it")
}

func TestAClockThatJumps(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"forward": 3 * time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, time.Hour)
			first := w.next("")
			w.clock.add(jump)
			if jump < 0 {
				// The authority's own certificate is not valid yet: nothing is signed, and nothing breaks, until the clock is right.
				for {
					_, _, err := w.agent.Version()
					if err != nil {
						require.ErrorContains(t, err, "look at the clock")
						break
					}
					time.Sleep(10 * time.Millisecond) // the agent looks at the clock every few seconds; nothing tells of it
				}
				w.clock.add(-jump + 40*time.Minute)
			}
			require.NotEqual(t, first, w.next(first))
		})
	}
}

func TestATokenThatFailsIsToldAndTriedAgain(t *testing.T) {
	w := start(t, 0)
	id, err := ratings.ID("cluster.local")
	require.NoError(t, err)
	conn, err := grpc.NewClient("unix:"+filepath.Join(w.dir, "ca"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	tries := 0
	a := agent.New(agent.Options{Authority: conn, ID: id, Now: w.clock.now, Token: func() (string, error) {
		if tries++; tries < 3 {
			return "", errors.New("not yet")
		}
		return w.attestor.Token(ratings)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	for serial, changed, _ := a.Version(); serial == ""; serial, changed, _ = a.Version() {
		<-changed
	}
	cancel()
	<-done
	require.Equal(t, 3, tries)
}
