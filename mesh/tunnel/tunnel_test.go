package tunnel_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/mesh/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reverse answers all that a connection says, once it has ended that, with its bytes in reverse.
func reverse(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				said, _ := io.ReadAll(c)
				slices.Reverse(said)
				_, _ = c.Write(said)
			}()
		}
	}()
	return l.Addr().String()
}

func serve(t *testing.T, s tunnel.Server, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	return l.Addr().String()
}

func ask(t *testing.T, c net.Conn, text string) string {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
	require.NoError(t, c.(interface{ CloseWrite() error }).CloseWrite())
	got, err := io.ReadAll(c)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	return string(got)
}

// A pod's own socket is reached through its agent, and that through another agent: each end of what is said arrives as such.
func TestThroughTwoAgents(t *testing.T) {
	dir := t.TempDir()
	app := reverse(t, "unix", filepath.Join(dir, "app.sock"))
	inner := serve(t, tunnel.Server{Open: true}, "unix", filepath.Join(dir, "agent.sock"))
	outer := serve(t, tunnel.Server{Token: "secret"}, "tcp", "127.0.0.1:0")

	first := tunnel.Dialer{Address: outer, Token: "secret"}
	c, err := tunnel.Dialer{Address: inner, Through: first.Dial}.Dial(t.Context(), tunnel.Unix, app)
	require.NoError(t, err)
	require.Equal(t, "llauqs", ask(t, c, "squall"))
}

func TestStrangersAreRefused(t *testing.T) {
	app := reverse(t, "tcp", "127.0.0.1:0")
	for name, s := range map[string]tunnel.Server{"another token": {Token: "secret"}, "no token at all": {}} {
		at := serve(t, s, "tcp", "127.0.0.1:0")
		for _, token := range []string{"", "guess"} {
			_, err := tunnel.Dialer{Address: at, Token: token}.Dial(t.Context(), tunnel.TCP, app)
			require.ErrorContains(t, err, "the token is wrong", "%s, asked with %q", name, token)
		}
	}
}

func TestWhatCannotBeReachedIsSaid(t *testing.T) {
	at := serve(t, tunnel.Server{Token: "secret"}, "tcp", "127.0.0.1:0")
	d := tunnel.Dialer{Address: at, Token: "secret"}
	_, err := d.Dial(t.Context(), tunnel.Unix, filepath.Join(t.TempDir(), "nobody.sock"))
	require.ErrorContains(t, err, "no such file")
	_, err = d.Dial(t.Context(), "udp", "127.0.0.1:53")
	require.ErrorContains(t, err, `no connections of kind "udp"`)
	_, err = d.AsApp(t.Context(), "tcp", "127.0.0.1:1")
	require.ErrorContains(t, err, `no connections of kind "app"`)
	_, err = d.Dial(t.Context(), tunnel.TCP, "127.0.0.1:1\r\nEvil: yes")
	require.ErrorContains(t, err, "is no address")
}

// As the app: by the server's own way to connect.
func TestAsApp(t *testing.T) {
	app := reverse(t, "tcp", "127.0.0.1:0")
	seen := make(chan string, 1)
	at := serve(t, tunnel.Server{Token: "secret", AsApp: func(ctx context.Context, network, address string) (net.Conn, error) {
		seen <- network
		return new(net.Dialer).DialContext(ctx, network, address)
	}}, "tcp", "127.0.0.1:0")
	c, err := tunnel.Dialer{Address: at, Token: "secret"}.AsApp(t.Context(), "tcp", app)
	require.NoError(t, err)
	require.Equal(t, "cba", ask(t, c, "abc"))
	require.Equal(t, "tcp", <-seen)
}
