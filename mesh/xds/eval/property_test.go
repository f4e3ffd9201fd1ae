package eval_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/eval"
	"github.com/squallmesh/squall/mesh/xds/translate"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
	"github.com/squallmesh/squall/mesh/xds/xdstest/envoytest"
)

func TestMain(m *testing.M) { envoytest.Main(m, os.Args, os.Stdin) }

var caller = &model.Workload{
	Name: "caller", Namespace: "default", Labels: map[string]string{"app": "caller"}, Address: "127.0.0.1", ProxyPort: 15001,
}

func withService(s model.Snapshot, name string) model.Snapshot {
	s.Services = s.Services.Set(fullHost(name), &model.Service{
		Host: fullHost(name), Name: name, Namespace: "default", Resolution: model.Static, Ports: ports,
	})
	return s
}

func configOf(t require.TestingT, snap model.Snapshot, w *model.Workload) *eval.Config {
	tr := translate.New()
	tr.Update(snap)
	tr.SetProxy(&model.Proxy{ID: "sidecar", Kind: model.Sidecar, Workload: w})
	c, err := eval.FromView(tr.View("sidecar"))
	require.NoError(t, err)
	return c
}

// decided says in the words of outcome what eval finds.
func decided(r *eval.Result) string {
	if r.Answer == nil {
		return "sent on"
	}
	if r.Answer.Body != "" {
		return r.Answer.Body
	}
	return fmt.Sprint(r.Answer.Status)
}

// tally counts the pairs of a rule set and a request, to show that the tests are about something.
type tally struct{ pairs, later, shadowing int }

func (n *tally) count(route int, shadows bool) {
	n.pairs++
	if route > 0 {
		n.later++
	}
	if shadows {
		n.shadowing++
	}
}

func (n *tally) require(t *testing.T, pairs int) {
	t.Helper()
	t.Logf("%d pairs, %d decided by a rule that is not the first, %d by shadowing", n.pairs, n.later, n.shadowing)
	require.GreaterOrEqual(t, n.pairs, pairs)
	require.GreaterOrEqual(t, 5*n.later, n.pairs)
	require.GreaterOrEqual(t, 10*n.shadowing, n.pairs)
}

// What eval reads from Envoy's resources is what the rules mean.
func TestEvalAgreesWithTheRules(t *testing.T) {
	var n tally
	ref := newReference(caller)
	rapid.Check(t, func(t *rapid.T) {
		rule := someRule(t, "shop")
		c := configOf(t, withService(model.Snapshot{Mesh: model.DefaultMesh()}, "shop").WithVirtualService(rule), caller)
		for range 100 {
			req := someCall(t, "shop", false)
			// Envoy's connection manager normalizes paths before anything is compared.
			meant := req.Request
			meant.Path = strings.NewReplacer("/a/./b", "/a/b", "/b/../a", "/a").Replace(meant.Path)
			route, shadows := ref.route(rule, req.port, meant)
			n.count(route, shadows)
			got, err := c.Evaluate(req.Request)
			require.NoError(t, err)
			require.Equal(t, outcome(route), decided(got), "%+v\n%+v", req, got.Routes)
		}
	})
	if t.Failed() {
		return
	}
	n.require(t, 2000)
	for _, operator := range operators() {
		require.GreaterOrEqual(t, ref.met[operator], 50, "%s held too seldom", operator)
		require.GreaterOrEqual(t, ref.unmet[operator], 50, "%s failed too seldom", operator)
	}
}

func operators() []string {
	out := []string{"uri exact in any case", "uri prefix in any case", "source labels", "source namespace", "port"}
	for _, what := range []string{"uri", "method", "authority", "scheme", "header", "without header", "query"} {
		for _, kind := range []model.MatchKind{model.Exact, model.Prefix, model.Regex} {
			out = append(out, what+" "+string(kind))
		}
	}
	return append(out, "header present", "without header present", "query present")
}

// What eval says is what a real Envoy does: one process, many services, each with a rule of its own.
func TestEvalAgreesWithEnvoy(t *testing.T) {
	const services, requests = 60, 12
	w := *caller
	w.ProxyPort = envoytest.FreePort(t)
	snap := model.Snapshot{Mesh: model.ExactMesh()}
	rules := map[string]*model.VirtualService{}
	calls := map[string][]call{}
	for i := range services {
		name := fmt.Sprintf("h%02d", i)
		rules[name] = rapid.Custom(func(t *rapid.T) *model.VirtualService { return someRule(t, name) }).Example(i)
		calls[name] = rapid.Custom(func(t *rapid.T) []call {
			var out []call
			for range requests {
				out = append(out, someCall(t, name, true))
			}
			return out
		}).Example(services + i)
		snap = withService(snap, name).WithVirtualService(rules[name])
	}
	c := configOf(t, snap, &w)
	s := envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{Snapshot: snap, Proxy: &model.Proxy{ID: "sidecar~caller.default", Kind: model.Sidecar, Workload: &w}})
	dump, _, err := s.Envoy.Admin().ConfigDump(t.Context(), envoy.ConfigDumpOptions{Endpoints: true})
	require.NoError(t, err)
	live, err := eval.FromDump(dump)
	require.NoError(t, err)
	ask := proxyClient(t, w.ProxyPort)
	var n tally
	ref := newReference(&w)
	for i := range services {
		name := fmt.Sprintf("h%02d", i)
		for _, req := range calls[name] {
			meant := req.Request
			meant.Path = strings.NewReplacer("/a/./b", "/a/b", "/b/../a", "/a").Replace(meant.Path)
			n.count(ref.route(rules[name], req.port, meant))
			for from, c := range map[string]*eval.Config{"what was sent": c, "what the Envoy says that it has": live} {
				got, err := c.Evaluate(req.Request)
				require.NoError(t, err)
				require.Equal(t, ask(req.Request), decided(got), "%s: %+v\n%+v", from, req, got.Routes)
			}
		}
	}
	stranger := eval.Request{Authority: "stranger:80", Path: "/", Method: "GET"}
	got, err := c.Evaluate(stranger)
	require.NoError(t, err)
	require.Equal(t, ask(stranger), decided(got))
	n.require(t, services*requests)
}

// proxyClient asks by an HTTP proxy on one connection, each byte as the request says, and gives the answer in the words of
// outcome.
func proxyClient(t *testing.T, port uint32) func(eval.Request) string {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	in := bufio.NewReader(conn)
	return func(r eval.Request) string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s http://%s%s HTTP/1.1\r\nhost: %s\r\ncontent-length: 0\r\n", r.Method, r.Authority, r.Path, r.Authority)
		for name, values := range r.Header {
			for _, v := range values {
				fmt.Fprintf(&b, "%s: %s\r\n", name, v)
			}
		}
		_, err := io.WriteString(conn, b.String()+"\r\n")
		require.NoError(t, err)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		switch {
		case resp.StatusCode == http.StatusServiceUnavailable:
			return "sent on" // to a service without endpoints
		case len(body) > 0:
			return string(body)
		}
		return fmt.Sprint(resp.StatusCode)
	}
}
