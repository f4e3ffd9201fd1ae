package ratelimit_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/quota"
	"github.com/squallmesh/squall/mesh/policy/ratelimit"
	"github.com/squallmesh/squall/mesh/policy/token"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
	"github.com/squallmesh/squall/mesh/xds/xdstest/envoytest"
)

func TestMain(m *testing.M) { envoytest.Main(m, os.Args, os.Stdin) }

// limited is a real sidecar before an app that answers everything, and the service that counts for it.
type limited struct {
	*xdstest.Single
	t      *testing.T
	base   model.Snapshot
	server *ratelimit.Server
	port   uint32
	// failOpen is what policies say.
	failOpen bool
}

func sidecar(t *testing.T, base model.Snapshot, store quota.Store) *limited {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(app.Close)
	l := &limited{t: t, base: base, server: ratelimit.NewServer(store), port: envoytest.FreePort(t)}
	w := &model.Workload{Name: "app-0", Namespace: "default", Address: "127.0.0.1", Inbound: []model.Inbound{{
		Host: "app.default.svc.cluster.local", Port: 80, Protocol: model.HTTP,
		Listen: model.Socket{Address: "127.0.0.1", Port: l.port},
		App:    model.Socket{Address: "127.0.0.1", Port: uint32(app.Listener.Addr().(*net.TCPAddr).Port)},
	}}}
	l.Single = envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{
		Snapshot: base, Register: l.server.Register, Workers: 2, DrainTime: -1,
		Proxy: &model.Proxy{ID: "sidecar~app-0.default", Kind: model.Sidecar, Workload: w},
	})
	return l
}

// apply puts one policy with these limits in force, anew: nothing is counted yet.
func (l *limited) apply(limits ...*model.QuotaLimit) {
	l.t.Helper()
	known := map[string]quota.Limit{}
	q := &model.QuotaPolicy{Name: "q", Namespace: "default", ResponseHeaders: true, FailOpen: l.failOpen, Limits: limits}
	for _, one := range limits {
		if one.Global {
			known[q.LimitKey(one)] = quota.Limit{Requests: one.Rate.Requests, Unit: one.Rate.Unit, Algorithm: quota.GCRA}
		}
	}
	require.NoError(l.t, l.server.Limits(l.t.Context(), nil))
	require.NoError(l.t, l.server.Limits(l.t.Context(), known))
	for _, snap := range []model.Snapshot{l.base, l.base.WithQuotaPolicy(q)} {
		_, err := l.Apply(l.t.Context(), serve.Change{Snapshot: &snap})
		require.NoError(l.t, err)
	}
}

// send gives the status of a request, and what the answer says of the limit.
func (l *limited) send(change func(*http.Request)) (int, http.Header) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/path", l.port), http.NoBody)
	require.NoError(l.t, err)
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(l.t, err)
	require.NoError(l.t, resp.Body.Close())
	return resp.StatusCode, resp.Header
}

// passed counts how many of n requests pass; the others are refused.
func (l *limited) passed(n int, change func(*http.Request)) int {
	l.t.Helper()
	out := 0
	for range n {
		status, _ := l.send(change)
		if status == http.StatusOK {
			out++
		} else {
			assert.Equal(l.t, http.StatusTooManyRequests, status)
		}
	}
	return out
}

func TestEnvoy(t *testing.T) {
	issuer, err := token.Open(filepath.Join(t.TempDir(), "key.pem"))
	require.NoError(t, err)
	keys, err := issuer.JWKS()
	require.NoError(t, err)
	bearer := func(claims map[string]any) func(*http.Request) {
		claims["iss"] = "https://issuer.example"
		text, err := issuer.Mint(claims, time.Now(), time.Now().Add(time.Hour))
		require.NoError(t, err)
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+text) }
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	l := sidecar(t, model.Snapshot{Mesh: model.ExactMesh()}.WithRequestAuthentication(&model.RequestAuthentication{
		Name: "users", Namespace: "default", Rules: []*model.JWTRule{{Issuer: "https://issuer.example", JWKS: keys, Forward: true}},
	}), quota.NewMemory(nil, 0))
	two := func(global bool) *model.QuotaLimit {
		return &model.QuotaLimit{Name: "two", Global: global, Rate: model.Quota{Requests: 2, Unit: 24 * time.Hour}}
	}
	for _, global := range []bool{false, true} {
		for _, unit := range []time.Duration{time.Hour, 24 * time.Hour} {
			t.Run(fmt.Sprintf("global %v, 4 per %s", global, unit), func(t *testing.T) {
				l.t = t
				l.apply(&model.QuotaLimit{Name: "four", Global: global, Rate: model.Quota{Requests: 4, Unit: unit}})
				assert.Equal(t, 4, l.passed(10, nil))
				_, h := l.send(nil)
				assert.NotEmpty(t, h.Get("Retry-After"))
				assert.Equal(t, "0", h.Get("X-Ratelimit-Remaining"))
			})
		}
		for by, values := range map[string][]func(*http.Request){
			"request.headers[end-user]": {header("End-User", "alice"), header("End-User", "bob"), nil},
			"request.headers[it's]":     {header("It's", "1"), header("It's", "2"), nil},
			"request.auth.claims[a][b]": {bearer(map[string]any{"a": map[string]any{"b": "1"}}), bearer(map[string]any{"a": map[string]any{"b": "2"}}), nil},
			"request.auth.principal":    {bearer(map[string]any{"sub": "alice"}), bearer(map[string]any{"sub": "bob"}), nil},
			"request.host":              {func(r *http.Request) { r.Host = "one" }, func(r *http.Request) { r.Host = "two" }},
			"request.method":            {func(r *http.Request) { r.Method = http.MethodPut }, nil},
			"request.path":              {func(r *http.Request) { r.URL.Path = "/other" }, nil},
			"remote.ip":                 {header("X-Forwarded-For", "192.0.2.1"), header("X-Forwarded-For", "192.0.2.2"), nil},
			"source.principal":          {nil}, // plain text here: nobody
		} {
			t.Run(fmt.Sprintf("global %v, by %s", global, by), func(t *testing.T) {
				l.t = t
				limit := two(global)
				limit.By = []string{by}
				l.apply(limit)
				for i, v := range values {
					assert.Equal(t, 2, l.passed(4, v), "value %d", i)
				}
			})
		}
		t.Run(fmt.Sprintf("global %v, matches", global), func(t *testing.T) {
			l.t = t
			limit := two(global)
			limit.Match = model.QuotaMatch{
				Hosts: []string{"SHOP*"}, Methods: []string{"GET", "PUT"}, Paths: []string{"/a", "/b*", "*.png"}, Headers: []model.QuotaHeader{{Name: "X-Plan", Value: "free"}},
			}
			to := func(method, host, path, plan string) func(*http.Request) {
				return func(r *http.Request) {
					r.Method, r.Host = method, host
					r.URL.Path, r.URL.RawQuery = path, "q=/z"
					r.Header.Set("X-Plan", plan)
				}
			}
			l.apply(limit)
			for _, other := range []func(*http.Request){
				to("DELETE", "shop", "/a", "free"), to("GET", "bank", "/a", "free"), to("GET", "shop", "/aa", "free"), to("GET", "shop", "/a", "gold"), to("GET", "shop", "/c/a", "free"),
			} {
				assert.Equal(t, 3, l.passed(3, other), "not counted")
			}
			assert.Equal(t, 1, l.passed(1, to("PUT", "shop.example", "/bar", "free")))
			assert.Equal(t, 1, l.passed(1, to("GET", "shop", "/c/d.png", "free")))
			assert.Equal(t, 0, l.passed(2, to("GET", "shop", "/a", "free")))
		})
	}
	t.Run("two limits: both must allow", func(t *testing.T) {
		l.t = t
		user := two(true)
		user.Name, user.By = "user", []string{"request.headers[end-user]"}
		all := &model.QuotaLimit{Name: "all", Global: true, Rate: model.Quota{Requests: 3, Unit: time.Hour}}
		l.apply(all, user)
		assert.Equal(t, 2, l.passed(3, header("End-User", "alice")))
		assert.Equal(t, 1, l.passed(3, header("End-User", "bob")))
	})
	t.Run("who counts does not know the limit", func(t *testing.T) {
		l.t = t
		l.apply(two(true))
		require.NoError(t, l.server.Limits(t.Context(), nil))
		status, _ := l.send(nil)
		assert.Equal(t, http.StatusInternalServerError, status, "closed, unless the policy says otherwise")
	})
}
