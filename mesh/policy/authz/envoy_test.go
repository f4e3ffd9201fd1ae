package authz_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/squallmesh/squall/mesh/ca"
	"github.com/squallmesh/squall/mesh/ca/agent"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/authz"
	"github.com/squallmesh/squall/mesh/policy/token"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
	"github.com/squallmesh/squall/mesh/xds/xdstest/envoytest"
)

func TestMain(m *testing.M) { envoytest.Main(m, os.Args, os.Stdin) }

// guarded is a real sidecar before an app that answers everything, whose policies change.
type guarded struct {
	*xdstest.Single
	t         *testing.T
	base      model.Snapshot
	port, tcp uint32
	clients   map[string]*http.Client
	// tokens are what callers may show, by their claims.
	tokens []endUser
	tlsOf  map[string]*tls.Config
}

// endUser is a token and what it says.
type endUser struct {
	token  string
	claims map[string]any
}

// endUsers makes tokens, and the rule that believes them.
func endUsers(t *testing.T) ([]endUser, *model.RequestAuthentication) {
	t.Helper()
	issuer, err := token.Open(filepath.Join(t.TempDir(), "key.pem"))
	require.NoError(t, err)
	keys, err := issuer.JWKS()
	require.NoError(t, err)
	rule := &model.RequestAuthentication{Name: "users", Namespace: "default"}
	users := []endUser{{}}
	for _, claims := range []map[string]any{
		{"iss": "https://issuer.example", "sub": "alice", "aud": []any{"shop", "admin"}, "azp": "app", "groups": []any{"admins", "readers"}},
		{"iss": "https://issuer.example", "sub": "bob", "aud": "shop", "groups": "admins", "nested": map[string]any{"name": "alice"}},
		{"iss": "issuer", "sub": "x/bob", "nested": map[string]any{"name": []any{"carol"}}},
	} {
		text, err := issuer.Mint(claims, time.Now(), time.Now().Add(time.Hour))
		require.NoError(t, err)
		users = append(users, endUser{text, claims})
	}
	for _, iss := range []string{"https://issuer.example", "issuer"} {
		rule.Rules = append(rule.Rules, &model.JWTRule{Issuer: iss, JWKS: keys})
	}
	return users, rule
}

// app answers all requests, and echoes bytes.
func app(t *testing.T) (web, echo model.Socket) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { defer func() { _ = c.Close() }(); _, _ = io.Copy(c, c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); open.Wait() })
	socket := func(a net.Addr) model.Socket {
		return model.Socket{Address: "127.0.0.1", Port: uint32(a.(*net.TCPAddr).Port)}
	}
	return socket(server.Listener.Addr()), socket(l.Addr())
}

// identity serves a sidecar's certificate, and gives the authority behind it.
func identity(t *testing.T) (authority *ca.Authority, sds string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "az") //nolint:usetesting // a socket's path is short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	authority, err = ca.Open(ca.Options{Dir: filepath.Join(dir, "ca")})
	require.NoError(t, err)
	attestor, err := ca.NewAttestor(nil)
	require.NoError(t, err)
	key, err := attestor.PublicKey()
	require.NoError(t, err)
	callers, err := ca.NewVerifier(key, nil)
	require.NoError(t, err)
	var lc net.ListenConfig
	at, err := lc.Listen(t.Context(), "unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	own, err := lc.Listen(t.Context(), "unix", filepath.Join(dir, "sds"))
	require.NoError(t, err)
	conn, err := grpc.NewClient("unix:"+at.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	w := ca.Workload{Namespace: "default", ServiceAccount: "ratings"}
	id, err := w.ID("cluster.local")
	require.NoError(t, err)
	a := agent.New(agent.Options{Authority: conn, ID: id, Token: func() (string, error) { return attestor.Token(w) }})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = ca.NewServer(authority, callers, nil).Serve(ctx, at) })
	running.Go(func() { _ = a.Run(ctx) })
	running.Go(func() { _ = a.Serve(ctx, own) })
	t.Cleanup(func() { cancel(); running.Wait(); _ = conn.Close() })
	return authority, "unix://" + own.Addr().String()
}

func guard(t *testing.T) *guarded {
	t.Helper()
	authority, sds := identity(t)
	web, echo := app(t)
	g := &guarded{t: t, port: envoytest.FreePort(t), tcp: envoytest.FreePort(t), clients: map[string]*http.Client{}, tlsOf: map[string]*tls.Config{}}
	listen := func(port uint32) model.Socket { return model.Socket{Address: "127.0.0.1", Port: port} }
	w := &model.Workload{Name: "ratings-0", Namespace: "default", ServiceAccount: "ratings", Address: "127.0.0.1", Inbound: []model.Inbound{
		{Host: "ratings.default.svc.cluster.local", Port: 9080, Protocol: model.HTTP, Listen: listen(g.port), App: web},
		{Host: "ratings.default.svc.cluster.local", Port: 9000, Protocol: model.TCP, Listen: listen(g.tcp), App: echo},
	}}
	g.base = model.Snapshot{Mesh: model.ExactMesh(), Trust: &model.Trust{Roots: authority.Roots()}}
	users, rule := endUsers(t)
	g.tokens, g.base = users, g.base.WithRequestAuthentication(rule)
	g.Single = envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{
		Snapshot: g.base, Proxy: &model.Proxy{ID: "sidecar~ratings-0.default", Kind: model.Sidecar, Workload: w}, SDS: sds, DrainTime: -1,
	})
	for _, id := range callers {
		if id != "" {
			g.tlsOf[id] = certificate(t, authority, id)
		}
	}
	return g
}

// certificate gives what a caller with an identity shows.
func certificate(t *testing.T, authority *ca.Authority, id string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	u, err := url.Parse(id)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{u}}, key)
	require.NoError(t, err)
	parsed, err := spiffeid.FromString(id)
	require.NoError(t, err)
	req, err := ca.Check(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), parsed)
	require.NoError(t, err)
	chain, err := authority.Issue(parsed, req, time.Hour)
	require.NoError(t, err)
	c := tls.Certificate{PrivateKey: key}
	for _, one := range chain[:len(chain)-1] {
		c.Certificate = append(c.Certificate, one.Raw)
	}
	return &tls.Config{Certificates: []tls.Certificate{c}, NextProtos: []string{"istio"}, InsecureSkipVerify: true} //nolint:gosec // the server's name is no matter here
}

// dial connects as the request's peer does.
func (g *guarded) dial(ctx context.Context, r authz.Request, port uint32) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: r.SourceIP.AsSlice()}}
	c, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil || r.Principal == "" {
		return c, err
	}
	config := g.tlsOf[r.Principal].Clone()
	config.ServerName = r.SNI
	return tls.Client(c, config), nil
}

// send gives the status of the sidecar's answer. Callers keep their connections.
func (g *guarded) send(r authz.Request, bearer string) int {
	g.t.Helper()
	key := r.Principal + " " + r.SourceIP.String() + " " + r.SNI
	client := g.clients[key]
	if client == nil {
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return g.dial(ctx, r, g.port) }}
		g.t.Cleanup(transport.CloseIdleConnections)
		client = &http.Client{Transport: transport}
		g.clients[key] = client
	}
	ctx, cancel := context.WithTimeout(g.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://sidecar"+r.Path, http.NoBody)
	require.NoError(g.t, err)
	req.Host = r.Host
	req.Header["User-Agent"] = nil
	maps.Copy(req.Header, r.Header)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := client.Do(req)
	require.NoError(g.t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(g.t, err)
	require.NoError(g.t, resp.Body.Close())
	return resp.StatusCode
}

// connect reports whether a TCP connection gets through.
func (g *guarded) connect(r authz.Request) bool {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 20*time.Second)
	defer cancel()
	c, err := g.dial(ctx, r, g.tcp)
	require.NoError(g.t, err)
	defer func() { _ = c.Close() }()
	deadline, _ := ctx.Deadline()
	require.NoError(g.t, c.SetDeadline(deadline))
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return false
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && line == "hello\n"
}

func (g *guarded) apply(policies []*model.AuthorizationPolicy) {
	g.t.Helper()
	snap := g.base
	for _, p := range policies {
		snap = snap.WithAuthorizationPolicy(p)
	}
	_, err := g.Apply(g.t.Context(), serve.Change{Snapshot: &snap})
	require.NoError(g.t, err)
}

// Our evaluator and Envoy's RBAC filters, for which the policies are translated, must say the same of 5,000 pairs of policies and requests.
func TestEnvoyAgreesOnRequests(t *testing.T) {
	const seed, sets, requests = 7, 500, 10
	g := guard(t)
	gen := &generator{Rand: mathrand.New(mathrand.NewPCG(seed, 1)), used: map[string]int{}} //nolint:gosec // the same pairs each time
	ports := []string{fmt.Sprint(g.port), "1", "9080"}
	allowed := 0
	for range sets {
		policies := gen.policies(ports)
		g.apply(policies)
		for range requests {
			user := pick(gen, g.tokens...)
			r := gen.request(g.port, user.claims)
			d := authz.Decide(policies, r)
			want := http.StatusForbidden
			if d.Allowed {
				want = http.StatusOK
				allowed++
			}
			require.Equal(t, want, g.send(r, user.token), "seed %d\nrequest %+v\npolicies %s\nours: %+v", seed, r, describe(policies), d)
		}
	}
	share := float64(allowed) / float64(sets*requests)
	require.InDelta(t, 0.5, share, 0.2, "the pairs must be mixed")
	for _, name := range wanted() {
		require.GreaterOrEqual(t, gen.used[name], 5, name)
		require.GreaterOrEqual(t, gen.used[name]*requests, 50, name)
	}
	t.Logf("%d pairs, %.0f %% allowed", sets*requests, 100*share)
}

// The same for TCP connections, which have less to ask for.
func TestEnvoyAgreesOnConnections(t *testing.T) {
	const seed, sets, connections = 11, 60, 6
	g := guard(t)
	gen := &generator{Rand: mathrand.New(mathrand.NewPCG(seed, 2)), used: map[string]int{}} //nolint:gosec // the same pairs each time
	ports := []string{fmt.Sprint(g.tcp), "1", "9000"}
	allowed := 0
	for range sets {
		policies := gen.policies(ports)
		g.apply(policies)
		for range connections {
			r := gen.request(g.tcp, nil)
			r.TCP, r.RemoteIP = true, r.SourceIP
			d := authz.Decide(policies, r)
			if d.Allowed {
				allowed++
			}
			require.Equal(t, d.Allowed, g.connect(r), "seed %d\nconnection %+v\npolicies %s\nours: %+v", seed, r, describe(policies), d)
		}
	}
	require.Greater(t, allowed, sets*connections/5)
	require.Less(t, allowed, sets*connections*4/5)
}

func describe(policies []*model.AuthorizationPolicy) string {
	var b strings.Builder
	for _, p := range policies {
		fmt.Fprintf(&b, "\n%s %s dry %v", p.Name, p.Action, p.DryRun)
		for _, r := range p.Rules {
			fmt.Fprintf(&b, "\n  %+v", *r)
		}
	}
	return b.String()
}
