package eval_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/eval"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
	"github.com/squallmesh/squall/mesh/xds/xdstest/envoytest"
)

// What reaches a service after rewrites, and where redirects lead, is what eval says: a real Envoy before a server that says what
// it got.
func TestRewritesAgreeWithEnvoy(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Host+r.RequestURI)
	}))
	t.Cleanup(srv.Close)
	backend := srv.Listener.Addr().(*net.TCPAddr)
	match := func(kind model.MatchKind, value string) []*model.HTTPMatch {
		return []*model.HTTPMatch{{URI: &model.StringMatch{Kind: kind, Value: value}}}
	}
	routes := []*model.HTTPRoute{
		{Match: match(model.Prefix, "/old"), Rewrite: &model.Rewrite{URI: "/new"}},
		{Match: match(model.Prefix, "/old/"), Rewrite: &model.Rewrite{URI: "/"}},
		{Match: match(model.Exact, "/old/a/b"), Rewrite: &model.Rewrite{URI: "/new", Authority: "store.example.com"}},
		{Match: match(model.Regex, "/old/.*"), Rewrite: &model.Rewrite{URI: "/new"}},
		{Rewrite: &model.Rewrite{Regex: "/([a-z])/([a-z])", Substitution: `/\2$/\1`}},
		{Headers: &model.HeaderOps{RequestSet: []model.Header{{Name: "host", Value: "set.example.com"}}}},
		{Redirect: &model.Redirect{Path: "/new"}},
		{Redirect: &model.Redirect{Path: "/new?own=1", Code: 302}},
		{Match: match(model.Prefix, "/old"), Redirect: &model.Redirect{PrefixPath: "/new", Authority: "else.example.com"}},
		{Redirect: &model.Redirect{Scheme: "https", Code: 308}},
		{Redirect: &model.Redirect{Scheme: "https", Port: 8443, Code: 307}},
	}
	snap := model.Snapshot{Mesh: model.ExactMesh()}
	for i, h := range routes {
		name := fmt.Sprintf("r%02d", i)
		if h.Redirect == nil {
			h.Destinations = []*model.Destination{{Host: fullHost(name), Port: port}}
		}
		snap = withService(snap, name).WithVirtualService(&model.VirtualService{
			Name: name, Namespace: "default", Hosts: []string{fullHost(name)}, Gateways: []string{model.MeshGateway}, HTTP: []*model.HTTPRoute{h},
		})
		at := map[uint32]uint32{port: uint32(backend.Port), web: uint32(backend.Port)}
		snap.Endpoints = snap.Endpoints.Set(fullHost(name), &model.Endpoints{Host: fullHost(name), List: []model.Endpoint{{Address: "127.0.0.1", Ports: at}}})
	}
	w := *caller
	w.ProxyPort = envoytest.FreePort(t)
	c := configOf(t, snap, &w)
	envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{Snapshot: snap, Proxy: &model.Proxy{ID: "sidecar~caller.default", Kind: model.Sidecar, Workload: &w}})
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.ProxyPort))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	in := bufio.NewReader(conn)
	for i := range routes {
		for _, path := range []string{"/old/a/b?q=1", "/old/a/b", "/old/./a/../a/b", `/old\a/b`, "/x/%2e%2e/old/a/b", "/old/a%20b?q=%2F", "/old/a/b/"} {
			for _, authority := range []string{fmt.Sprintf("r%02d:9080", i), fmt.Sprintf("r%02d:80", i), fmt.Sprintf("r%02d", i)} {
				req := eval.Request{Authority: authority, Path: path}
				_, err := fmt.Fprintf(conn, "GET http://%s%s HTTP/1.1\r\nhost: %s\r\n\r\n", authority, path, authority)
				require.NoError(t, err)
				resp, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				got, err := c.Evaluate(req)
				require.NoError(t, err)
				switch {
				case got.Answer == nil:
					require.Equal(t, string(body), got.Authority+got.Path, "route %d, %s%s", i, authority, path)
				case got.Answer.Location != "":
					require.Equal(t, fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("location")), fmt.Sprint(got.Answer.Status, " ", got.Answer.Location), "route %d, %s%s", i, authority, path)
				default:
					require.Equal(t, uint32(resp.StatusCode), got.Answer.Status, "route %d, %s%s", i, authority, path)
				}
			}
		}
	}
}
