package bookinfo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/bookinfo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// env is an environment to pass in.
type env map[string]string

func (e env) get(name string) string { return e[name] }

// start serves a role for the time of the test and returns host:port of its http or tcp port.
func start(t *testing.T, role string, e env, o bookinfo.Options) string {
	t.Helper()
	o.Listen, o.Env = "127.0.0.1:0", e.get
	s, err := bookinfo.Listen(t.Context(), role, o)
	require.NoError(t, err)
	run(t, s)
	for _, name := range []string{"http", "tcp"} {
		if a, ok := s.Addrs()[name]; ok {
			return a.String()
		}
	}
	t.Fatal("no address")
	return ""
}

func run(t *testing.T, s *bookinfo.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

// at makes environment that points a service's name at an address. Loopback addresses never go through a proxy.
func (e env) at(service, addr string) env {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err)
	}
	key := strings.ToUpper(service)
	e[key+"_HOSTNAME"], e[key+"_SERVICE_PORT"] = host, port
	return e
}

// stub serves h as a service of the app would.
func stub(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

type reply struct {
	status int
	body   string
	header http.Header
}

var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func send(t *testing.T, method, target, body string, header http.Header) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	require.NoError(t, err)
	maps.Copy(req.Header, header)
	res, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return reply{res.StatusCode, string(b), res.Header}
}

func get(t *testing.T, target string) reply {
	t.Helper()
	return send(t, http.MethodGet, target, "", nil)
}

// recorder keeps the headers of the requests that reached a stub.
type recorder struct {
	mu   sync.Mutex
	seen []http.Header
}

func (r *recorder) record(req *http.Request) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, req.Header.Clone())
	return len(r.seen)
}

func (r *recorder) all() []http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]http.Header(nil), r.seen...)
}

// proxy is an HTTP proxy such as a sidecar: it records hosts and sends every request to where its map says.
func proxy(t *testing.T, to map[string]string, seen chan<- string) string {
	t.Helper()
	return stub(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.URL.String()
		target := url.URL{Scheme: "http", Host: to[r.URL.Host], Path: r.URL.Path, RawQuery: r.URL.RawQuery}
		out, err := http.NewRequestWithContext(r.Context(), r.Method, target.String(), r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		out.Header = r.Header.Clone()
		res, err := client.Do(out) //nolint:gosec // it goes where the test says
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = res.Body.Close() }()
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	})
}

func decode(t *testing.T, body string) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &v), body)
	return v
}

// logs is a log that can be read while it is written.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const soon = 10 * time.Second // longer than anything awaited takes
