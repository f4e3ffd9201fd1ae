package netns_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/squallmesh/squall/mesh/netns"
)

// pod makes a namespace behind the node.
func pod(t *testing.T, node *netns.Node, n int) *netns.Namespace {
	t.Helper()
	ns, err := netns.New()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ns.Close()) })
	require.NoError(t, node.Join(ns, fmt.Sprintf("p%d", n), netip.MustParseAddr(address(n))))
	return ns
}

func address(n int) string { return fmt.Sprintf("198.18.64.%d", n) }

func newNode(t *testing.T) *netns.Node {
	t.Helper()
	node, err := netns.NewNode(netip.MustParsePrefix("198.18.64.1/18"))
	if errors.Is(err, unix.EPERM) && os.Getenv("MUST") == "" {
		t.Skipf("the system refuses (TestWithoutRoot tries it as a user): %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, node.Close()) })
	return node
}

// serve answers connections with a name, with where they were meant to go, and with where they come from.
func serve(t *testing.T, ns *netns.Namespace, name, at string) {
	t.Helper()
	l, err := ns.Listen(t.Context(), "tcp4", at)
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			_, _ = fmt.Fprintf(c, "%s for %s from %s\n", name, original(c.(*net.TCPConn)), host)
			_ = c.Close()
		}
	}()
}

// original asks the kernel where a connection was meant to go (SO_ORIGINAL_DST); its own address if it was not redirected.
func original(c *net.TCPConn) string {
	raw, err := c.SyscallConn()
	if err != nil {
		return err.Error()
	}
	at := c.LocalAddr().String()
	_ = raw.Control(func(fd uintptr) {
		// The option gives a sockaddr_in, for which the package has no function of its own.
		if a, err := unix.GetsockoptIPv6Mreq(int(fd), unix.SOL_IP, unix.SO_ORIGINAL_DST); err == nil {
			at = fmt.Sprintf("%s:%d", net.IP(a.Multiaddr[4:8]), binary.BigEndian.Uint16(a.Multiaddr[2:4]))
		}
	})
	return at
}

func ask(t *testing.T, ns *netns.Namespace, to string, mark int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := ns.Dial(ctx, "tcp4", to, mark)
	if err != nil {
		return err.Error()
	}
	defer c.Close() //nolint:errcheck // read to its end
	line, _ := bufio.NewReader(c).ReadString('\n')
	return line
}

func TestTheKernelRedirectsAsInAPod(t *testing.T) {
	node := newNode(t)
	a, b := pod(t, node, 2), pod(t, node, 3)
	for name, ns := range map[string]*netns.Namespace{"a": a, "b": b} {
		serve(t, ns, name+" outbound", "0.0.0.0:15001")
		serve(t, ns, name+" inbound", "0.0.0.0:15006")
		serve(t, ns, name+" app", "0.0.0.0:9080")
		serve(t, ns, name+" health", "0.0.0.0:15021")
		require.NoError(t, ns.Capture(netns.Capture{
			Outbound: 15001, Inbound: 15006, Source: netip.MustParseAddr("127.0.0.6"), PassInbound: []uint16{15021},
			PassOutbound: []netip.Addr{node.Address()},
		}))
	}
	serve(t, node.Namespace, "node", "0.0.0.0:53")
	for _, c := range []struct {
		what string
		from *netns.Namespace
		to   string
		mark int
		want string
	}{
		{"a program that calls a service reaches its sidecar", a, "198.18.32.7:9080", 0, "a outbound for 198.18.32.7:9080 from 198.18.64.2\n"},
		{"also by another pod's address", a, "198.18.64.3:9080", 0, "a outbound for 198.18.64.3:9080 from 198.18.64.2\n"},
		{"a sidecar reaches the other sidecar", a, "198.18.64.3:9080", netns.Mark, "b inbound for 198.18.64.3:9080 from 198.18.64.2\n"},
		{"a port may be left out", a, "198.18.64.3:15021", netns.Mark, "b health for 198.18.64.3:15021 from 198.18.64.2\n"},
		{"a program calls itself", a, "198.18.64.2:9080", 0, "a app for 198.18.64.2:9080 from 198.18.64.2\n"},
		{"and by the loopback address", a, "127.0.0.1:9080", 0, "a app for 127.0.0.1:9080 from 127.0.0.1\n"},
		{"a service may be its own caller", a, "198.18.64.2:9080", netns.Mark, "a inbound for 198.18.64.2:9080 from 198.18.64.2\n"},
		{"an address may be left out", a, "198.18.64.1:53", 0, "node for 198.18.64.1:53 from 198.18.64.2\n"},
		{"who comes from outside reaches the sidecar", node.Namespace, "198.18.64.3:9080", 0, "b inbound for 198.18.64.3:9080 from 198.18.64.1\n"},
	} {
		require.Equal(t, c.want, ask(t, c.from, c.to, c.mark), c.what)
	}
	require.Contains(t, ask(t, node.Namespace, "192.0.2.1:80", 0), "no route to host", "nothing leaves the node")
}

// The sidecar's call of its own app comes from an address that the kernel knows.
func TestTheSidecarReachesItsApp(t *testing.T) {
	node := newNode(t)
	a := pod(t, node, 2)
	serve(t, a, "app", "198.18.64.2:9080")
	serve(t, a, "inbound", "0.0.0.0:15006")
	require.NoError(t, a.Capture(netns.Capture{Outbound: 15001, Inbound: 15006, Source: netip.MustParseAddr("127.0.0.6")}))
	var got []byte
	// A process of the namespace can choose its address.
	require.NoError(t, a.Do(func() error {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 6)}}).Dial("tcp4", "198.18.64.2:9080")
		if err != nil {
			return err
		}
		got, err = io.ReadAll(c)
		return errors.Join(err, c.Close())
	}))
	require.Equal(t, "app for 198.18.64.2:9080 from 127.0.0.6\n", string(got))
}

func TestProcessesSeeTheirNamespace(t *testing.T) {
	node := newNode(t)
	a := pod(t, node, 2)
	hosts := filepath.Join(t.TempDir(), "hosts")
	require.NoError(t, os.WriteFile(hosts, []byte("198.18.64.2 me\n"), 0o600))
	require.NoError(t, a.Bind(hosts, "/etc/hosts"))
	see := func(run func(func() error) error) string {
		cmd := exec.Command("sh", "-c", "cat /etc/hosts /proc/net/dev")
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, run(cmd.Start))
		data, err := io.ReadAll(out)
		require.NoError(t, err)
		require.NoError(t, cmd.Wait())
		return string(data)
	}
	inside := see(a.Do)
	require.Contains(t, inside, "198.18.64.2 me")
	require.Contains(t, inside, "eth0")
	require.NotContains(t, see(func(f func() error) error { return f() }), "198.18.64.2 me", "the program itself sees its own files")
	require.NotContains(t, see(node.Do), "198.18.64.2 me")
}

func TestAClosedNamespaceRefuses(t *testing.T) {
	node := newNode(t)
	ns, err := netns.New()
	require.NoError(t, err)
	require.NoError(t, node.Join(ns, "once", netip.MustParseAddr(address(9))))
	require.NoError(t, ns.Close())
	require.NoError(t, ns.Close())
	require.ErrorIs(t, ns.Do(func() error { return nil }), netns.ErrClosed)
	_, err = ns.Dial(t.Context(), "tcp", "198.18.64.1:1", 0)
	require.ErrorIs(t, err, netns.ErrClosed)
	// What nobody holds the kernel removes, the interface at the bridge too: one namespace after the other, after many labs in its own time.
	other, err := netns.New()
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	require.Eventually(t, func() bool {
		return node.Join(other, "once", netip.MustParseAddr(address(9))) == nil
	}, 2*time.Minute, 10*time.Millisecond)
}

func TestCheck(t *testing.T) {
	newNode(t)
	require.NoError(t, netns.Check())
}

func TestLostPackets(t *testing.T) {
	node := newNode(t)
	a, b := pod(t, node, 2), pod(t, node, 3)
	serve(t, b, "b", "0.0.0.0:9080")
	// A connection that times out has sent something that nobody answered.
	cut := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		c, err := a.Dial(ctx, "tcp4", "198.18.64.3:9080", 0)
		if err == nil {
			_ = c.Close()
		}
		return errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err)
	}
	require.Contains(t, ask(t, a, "198.18.64.3:9080", 0), "b for")
	require.NoError(t, b.Drop("cut", netip.MustParseAddr("198.18.64.2"), 100))
	require.True(t, cut())
	require.Contains(t, ask(t, node.Namespace, "198.18.64.3:9080", 0), "b for", "others are not concerned")
	packets, err := b.Undrop("cut")
	require.NoError(t, err)
	require.NotZero(t, packets)
	require.Contains(t, ask(t, a, "198.18.64.3:9080", 0), "b for")

	// Of two hundred pings of UDP a half gets lost, by chance: outside of 60 to 140 once in 10^8 times.
	l, err := b.ListenPacket(t.Context(), "udp4", "198.18.64.3:7")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // a socket of the test
	require.NoError(t, b.Drop("half", netip.MustParseAddr("198.18.64.2"), 50))
	c, err := a.Dial(t.Context(), "udp4", "198.18.64.3:7", 0)
	require.NoError(t, err)
	defer c.Close() //nolint:errcheck // a socket of the test
	const sent = 200
	for range sent {
		_, err := c.Write([]byte("ping"))
		require.NoError(t, err)
	}
	packets, err = b.Undrop("half")
	require.NoError(t, err)
	require.Greater(t, packets, uint64(60))
	require.Less(t, packets, uint64(140))
	arrived, buf := uint64(0), make([]byte, 16)
	for arrived < sent-packets {
		require.NoError(t, l.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, _, err := l.ReadFrom(buf)
		require.NoError(t, err, "%d of %d were dropped, %d arrived", packets, sent, arrived)
		arrived++
	}
}
