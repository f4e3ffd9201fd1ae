package backend_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/squallmesh/squall/bookinfo/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a backend under test and all that talks to it.
type lab struct {
	*backend.Client
	t     *testing.T
	ctx   context.Context // ends long after anything awaited
	addrs map[string]string
	grpc  *grpc.ClientConn
	http  map[string]*http.Client // by port
	stop  func()                  // returns when the backend has stopped
}

func start(t *testing.T, o backend.Options) *lab {
	t.Helper()
	o.Host = "127.0.0.1"
	o.Ports = map[string]int{backend.HTTP: 0, backend.HTTP2: 0, backend.GRPC: 0, backend.TCP: 0}
	o.Workload, o.Version = "backend-v7", "v7"
	o.Control = filepath.Join(t.TempDir(), "c.sock")
	s, err := backend.Listen(t.Context(), o)
	require.NoError(t, err)
	run, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(run) }()

	l := &lab{Client: backend.NewClient(o.Control), t: t, addrs: map[string]string{}, http: map[string]*http.Client{}}
	for name, a := range s.Addrs() {
		l.addrs[name] = a.String()
	}
	h1, h2 := &http.Transport{DisableKeepAlives: true}, &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	l.http[backend.HTTP] = &http.Client{Transport: h1}
	l.http[backend.HTTP2] = &http.Client{Transport: h2}
	l.grpc, err = grpc.NewClient("passthrough:///"+l.addrs[backend.GRPC], grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)

	var end context.CancelFunc
	l.ctx, end = context.WithTimeout(t.Context(), 30*time.Second)
	stopped := false
	l.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(func() {
		_ = l.grpc.Close()
		h2.CloseIdleConnections()
		l.stop()
		end()
	})
	return l
}

// answer is what became of a request, whatever the port.
type answer struct {
	status int
	body   string
	header http.Header
	err    error
}

// get sends a GET to the http or http2 port. The header is name, value, name, value ….
func (l *lab) get(ctx context.Context, port, path string, header ...string) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.addrs[port]+path, nil)
	if err != nil {
		return answer{err: err}
	}
	for pair := range slices.Chunk(header, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	res, err := l.http[port].Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(b), res.Header, err}
}

// echo calls the gRPC method.
func (l *lab) echo(ctx context.Context, text string, o ...grpc.CallOption) (string, error) {
	in, out := backend.Text(text), backend.Text("")
	err := l.grpc.Invoke(ctx, backend.EchoMethod, &in, &out, append(o, grpc.ForceCodecV2(backend.Codec{}))...)
	return string(out), err
}

// line sends a line on a connection of its own.
func (l *lab) line(ctx context.Context, text string) answer {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", l.addrs[backend.TCP])
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if _, err := c.Write([]byte(text + "\n")); err != nil {
		return answer{err: err}
	}
	got, err := bufio.NewReader(c).ReadString('\n')
	return answer{body: strings.TrimSuffix(got, "\n"), err: err}
}

// any sends one request to a port, by its protocol.
func (l *lab) any(ctx context.Context, port, path string) answer {
	switch port {
	case backend.GRPC:
		body, err := l.echo(ctx, path)
		return answer{body: body, err: err}
	case backend.TCP:
		return l.line(ctx, path)
	default:
		return l.get(ctx, port, path)
	}
}

// background sends one request and delivers what becomes of it.
func (l *lab) background(ctx context.Context, port, path string) <-chan answer {
	c := make(chan answer, 1)
	go func() { c <- l.any(ctx, port, path) }()
	return c
}

func (l *lab) wait(c backend.Condition) backend.State {
	l.t.Helper()
	s, err := l.Wait(l.ctx, c)
	require.NoError(l.t, err)
	return s
}

func (l *lab) state(port string) backend.PortState {
	l.t.Helper()
	s, err := l.State(l.ctx)
	require.NoError(l.t, err)
	return s.Ports[port]
}

var allPorts = []string{backend.HTTP, backend.HTTP2, backend.GRPC, backend.TCP}
