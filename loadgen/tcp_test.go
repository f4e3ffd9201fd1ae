package loadgen_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/loadgen/pace"
)

// tcpServer answers each connection as told.
func tcpServer(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			answer(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "tcp://" + l.Addr().String()
}

func talk(t *testing.T, url string, timeout time.Duration) []loadgen.Result {
	t.Helper()
	var got []loadgen.Result
	_, err := loadgen.Run(t.Context(), time.Now(), []loadgen.Load{{
		Name: "tcp", Pacer: pace.NewConstant(pace.PerSecond(100)), Duration: 50 * time.Millisecond, Timeout: timeout,
		Requests: loadgen.Same(loadgen.Request{URL: url, Body: []byte("hello\n")}),
		Extract:  loadgen.Extract{Body: regexp.MustCompile(`^(\w+) hello`)},
	}}, func(r loadgen.Result) { got = append(got, r) })
	require.NoError(t, err)
	require.Len(t, got, 5)
	return got
}

func TestATCPRequestIsAConnectionOfItsOwn(t *testing.T) {
	connections := 0
	url := tcpServer(t, func(c net.Conn) {
		connections++
		line, _ := bufio.NewReader(c).ReadString('\n')
		_, _ = io.WriteString(c, "one "+line)
	})
	for _, r := range talk(t, url, time.Minute) {
		require.Equal(t, 200, r.Status)
		require.Empty(t, r.Err)
		require.Equal(t, "one", r.Value)
		require.EqualValues(t, len("one hello\n"), r.Bytes)
	}
	require.Equal(t, 5, connections)
}

func TestATCPRequestWithoutAnAnswer(t *testing.T) {
	closed := tcpServer(t, func(c net.Conn) { _, _ = bufio.NewReader(c).ReadString('\n') })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	silent := tcpServer(t, func(net.Conn) { <-ctx.Done() })
	for _, c := range []struct{ url, want string }{
		{closed, loadgen.ErrReset}, {silent, loadgen.ErrTimeout}, {"tcp://127.0.0.1:9", loadgen.ErrRefused},
	} {
		for _, r := range talk(t, c.url, 100*time.Millisecond) {
			require.Zero(t, r.Status, c.url)
			require.Equal(t, c.want, r.Err, c.url)
		}
	}
}
