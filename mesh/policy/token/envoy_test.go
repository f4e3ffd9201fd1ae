package token_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/token"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
	"github.com/squallmesh/squall/mesh/xds/xdstest/envoytest"
)

func TestMain(m *testing.M) { envoytest.Main(m, os.Args, os.Stdin) }

const (
	keysHost = "keys.default.svc.cluster.local"
	issuerID = "https://issuer.example"
)

// believer is a real sidecar that fetches the keys of tokens.
type believer struct {
	*xdstest.Single
	t    *testing.T
	base model.Snapshot
	port uint32
	// keys answers those who fetch, and fetched counts them.
	keys    atomic.Pointer[http.HandlerFunc]
	fetched atomic.Int64
	rules   int
}

func port(s *httptest.Server) uint32 { return uint32(s.Listener.Addr().(*net.TCPAddr).Port) }

func sidecar(t *testing.T) *believer {
	t.Helper()
	b := &believer{t: t, port: envoytest.FreePort(t)}
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(app.Close)
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.fetched.Add(1)
		(*b.keys.Load())(w, r)
	}))
	t.Cleanup(keys.Close)
	b.base = model.Snapshot{Mesh: model.ExactMesh()}
	b.base.Services = b.base.Services.Set(keysHost, &model.Service{
		Host: keysHost, Name: "keys", Namespace: "default", Resolution: model.Static, Ports: []model.Port{{Number: 80, Name: "http", Protocol: model.HTTP}},
	})
	b.base.Endpoints = b.base.Endpoints.Set(keysHost, &model.Endpoints{Host: keysHost, List: []model.Endpoint{{Address: "127.0.0.1", Ports: map[uint32]uint32{80: port(keys)}}}})
	w := &model.Workload{Name: "app-0", Namespace: "default", Address: "127.0.0.1", Inbound: []model.Inbound{{
		Host: "app.default.svc.cluster.local", Port: 80, Protocol: model.HTTP,
		Listen: model.Socket{Address: "127.0.0.1", Port: b.port}, App: model.Socket{Address: "127.0.0.1", Port: port(app)},
	}}}
	b.Single = envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{
		Snapshot: b.base, DrainTime: -1, Proxy: &model.Proxy{ID: "sidecar~app-0.default", Kind: model.Sidecar, Workload: w},
	})
	return b
}

// believe makes the sidecar fetch anew, from what answers so.
func (b *believer) believe(timeout, refresh time.Duration, answer http.HandlerFunc) {
	b.t.Helper()
	b.keys.Store(&answer)
	b.rules++
	snap := b.base.WithRequestAuthentication(&model.RequestAuthentication{
		Name: "users", Namespace: "default", Rules: []*model.JWTRule{{Issuer: issuerID, Remote: &model.RemoteJWKS{
			URI: fmt.Sprintf("http://keys/%d", b.rules), Host: keysHost, Port: 80, Timeout: timeout, Refresh: refresh,
		}}},
	})
	_, err := b.Apply(b.t.Context(), serve.Change{Snapshot: &snap})
	require.NoError(b.t, err)
}

// status is that of a request with a token; empty sends none.
func (b *believer) status(bearer string) int {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", b.port), http.NoBody)
	require.NoError(b.t, err)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	require.NoError(b.t, resp.Body.Close())
	return resp.StatusCode
}

// issuer gives a token of a fresh key, and what answers with its public part.
func issuer(t *testing.T) (bearer string, answer http.HandlerFunc) {
	t.Helper()
	i, err := token.Open(filepath.Join(t.TempDir(), "key.pem"))
	require.NoError(t, err)
	keys, err := i.JWKS()
	require.NoError(t, err)
	bearer, err = i.Mint(map[string]any{"iss": issuerID, "sub": "alice"}, time.Now(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	return bearer, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(keys)) }
}

// What is wrong with a server of keys keeps tokens out, and nobody else.
func TestServersOfKeys(t *testing.T) {
	b := sidecar(t)
	bearer, good := issuer(t)
	other, _ := issuer(t)
	for name, answer := range map[string]http.HandlerFunc{
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no keys": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"error":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable); good(w, r) },
		"down":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"slow":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.believe(200*time.Millisecond, time.Hour, answer)
			assert.Equal(t, http.StatusUnauthorized, b.status(bearer))
			assert.Equal(t, http.StatusOK, b.status(""), "who shows none is not concerned")
		})
	}
	b.t = t
	b.believe(10*time.Second, time.Hour, good)
	assert.Equal(t, http.StatusOK, b.status(bearer))
	assert.Equal(t, http.StatusUnauthorized, b.status(other), "a key that the server does not have")
}

// Keys are fetched again: new ones are found, and the last good ones stay while the server is not well.
func TestKeysAreRefreshed(t *testing.T) {
	b := sidecar(t)
	before, first := issuer(t)
	after, second := issuer(t)
	b.believe(10*time.Second, 100*time.Millisecond, first)
	require.Equal(t, http.StatusOK, b.status(before))

	var broken http.HandlerFunc = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	b.keys.Store(&broken)
	failures := b.fetched.Load() + 3
	require.Eventually(t, func() bool { return b.fetched.Load() >= failures }, time.Minute, 10*time.Millisecond, "it goes on asking")
	assert.Equal(t, http.StatusOK, b.status(before), "the last good keys")

	b.keys.Store(&second)
	require.Eventually(t, func() bool { return b.status(after) == http.StatusOK }, time.Minute, 10*time.Millisecond, "the new key")
	assert.Equal(t, http.StatusUnauthorized, b.status(before), "the old one is gone")
}
