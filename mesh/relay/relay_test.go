package relay_test

import (
	"context"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/mesh/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers what it gets, and tells from where it came.
func echo(t *testing.T) (address string, from <-chan string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	seen := make(chan string, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			seen <- host
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String(), seen
}

func start(t *testing.T, upstream string) *relay.Relay {
	t.Helper()
	r, err := relay.Listen(t.Context(), relay.Options{Listen: listenAt, Upstream: upstream, Source: "127.0.0.9"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

const listenAt = "127.0.0.3:19081"

func dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listenAt)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
}

func hear(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

// roundTrip says something and hears it again.
func roundTrip(t *testing.T, c net.Conn, text string) {
	t.Helper()
	say(t, c, text)
	hear(t, c, text)
}

func TestAnIdleRelayCarriesBothWaysAndKeepsTheCaller(t *testing.T) {
	upstream, from := echo(t)
	r := start(t, upstream)
	c := dial(t)
	roundTrip(t, c, "hello")
	require.Equal(t, "127.0.0.9", <-from)
	require.EqualValues(t, 1, r.Passed())
	require.Zero(t, r.Resets())
}

func TestLatencyHoldsEachRoundTripUntilItIsCleared(t *testing.T) {
	upstream, _ := echo(t)
	r := start(t, upstream)
	open := dial(t)
	roundTrip(t, open, "warm")
	const latency = 150 * time.Millisecond
	require.NoError(t, r.Set(t.Context(), "slow", relay.Fault{Latency: latency}))
	for _, c := range []net.Conn{open, dial(t)} {
		begin := time.Now()
		roundTrip(t, c, "slow")
		require.GreaterOrEqual(t, time.Since(begin), latency)
	}
	require.NoError(t, r.Set(t.Context(), "never", relay.Fault{Latency: time.Hour}))
	r.Clear(t.Context(), "slow")
	r.Clear(t.Context(), "never")
	roundTrip(t, open, "fast")
}

func TestStallKeepsWhatIsSentUntilItIsCleared(t *testing.T) {
	upstream, _ := echo(t)
	r := start(t, upstream)
	open := dial(t)
	roundTrip(t, open, "before")
	before := r.Passed()
	require.NoError(t, r.Set(t.Context(), "stall", relay.Fault{Stall: true}))
	fresh := dial(t)
	for _, c := range []net.Conn{open, fresh} {
		say(t, c, "during")
	}
	require.Eventually(t, func() bool { return r.Passed() == before+2 }, 10*time.Second, time.Millisecond)
	for _, c := range []net.Conn{open, fresh} {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	r.Clear(t.Context(), "stall")
	for _, c := range []net.Conn{open, fresh} {
		hear(t, c, "during")
	}
}

func TestResetEndsOpenAndNewConnections(t *testing.T) {
	upstream, _ := echo(t)
	r := start(t, upstream)
	open := dial(t)
	roundTrip(t, open, "before")
	require.NoError(t, r.Set(t.Context(), "reset", relay.Fault{Reset: true}))
	require.NoError(t, open.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err := open.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	fresh := dial(t)
	say(t, fresh, "during")
	require.NoError(t, fresh.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = fresh.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.EqualValues(t, 2, r.Resets())
	r.Clear(t.Context(), "reset")
	after := dial(t)
	roundTrip(t, after, "after")
}

func TestBandwidthLimitsAConnection(t *testing.T) {
	upstream, _ := echo(t)
	r := start(t, upstream)
	require.NoError(t, r.Set(t.Context(), "narrow", relay.Fault{Bandwidth: 100_000}))
	c := dial(t)
	text := string(make([]byte, 30_000))
	begin := time.Now()
	roundTrip(t, c, text)
	require.GreaterOrEqual(t, time.Since(begin), 290*time.Millisecond)
}

func TestTwoFaultsEndEachAtItsOwnTime(t *testing.T) {
	upstream, _ := echo(t)
	r := start(t, upstream)
	require.NoError(t, r.Set(t.Context(), "one", relay.Fault{Latency: 50 * time.Millisecond}))
	require.NoError(t, r.Set(t.Context(), "two", relay.Fault{Latency: 100 * time.Millisecond}))
	c := dial(t)
	took := func() time.Duration {
		begin := time.Now()
		roundTrip(t, c, "x")
		return time.Since(begin)
	}
	require.GreaterOrEqual(t, took(), 100*time.Millisecond)
	r.Clear(t.Context(), "one")
	require.GreaterOrEqual(t, took(), 100*time.Millisecond)
	r.Clear(t.Context(), "two")
	r.Clear(t.Context(), "two")
	took()
}

func TestAnUpstreamThatRefusesIsAResetToTheCaller(t *testing.T) {
	start(t, "127.0.0.1:9") // nobody listens there
	// The reset may come before the dialler has seen that it was accepted.
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listenAt)
	if err == nil {
		defer func() { _ = c.Close() }()
		require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, err = c.Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestCloseEndsConnectionsEvenWhileTheyAreStalled(t *testing.T) {
	upstream, _ := echo(t)
	r, err := relay.Listen(context.Background(), relay.Options{Listen: listenAt, Upstream: upstream})
	require.NoError(t, err)
	c := dial(t)
	roundTrip(t, c, "x")
	require.NoError(t, r.Set(t.Context(), "stall", relay.Fault{Stall: true}))
	say(t, c, "y")
	require.NoError(t, r.Close())
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}
