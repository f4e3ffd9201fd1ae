package agent_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/mesh/agent"
	"github.com/squallmesh/squall/mesh/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs an agent, and gives its client.
func start(t *testing.T, o agent.Options) (c *agent.Client, ended <-chan error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sq") //nolint:usetesting // short paths for sockets
	require.NoError(t, err)
	o.Socket = filepath.Join(dir, "agent.sock")
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	finished := make(chan struct{})
	go func() {
		done <- agent.Run(ctx, o)
		close(finished)
	}()
	t.Cleanup(func() {
		stop()
		<-finished
		_ = os.RemoveAll(dir)
	})
	c = agent.NewClient(nil, "the test", o.Socket)
	require.Eventually(t, func() bool { _, err := c.Status(t.Context()); return err == nil }, 10*time.Second, time.Millisecond)
	return c, done
}

func sleeper() agent.Spec {
	return agent.Spec{Name: "sleeper", Command: []string{"/bin/sleep", "1000"}}
}

func state(t *testing.T, c *agent.Client, action string) string {
	t.Helper()
	s, err := c.Act(t.Context(), action)
	require.NoError(t, err)
	return s.State
}

func TestKillPauseAndStart(t *testing.T) {
	c, _ := start(t, agent.Options{})
	_, err := c.Act(t.Context(), agent.Kill)
	require.ErrorContains(t, err, "runs nothing yet")
	require.NoError(t, c.Run(t.Context(), sleeper()))
	require.Equal(t, "stopped", state(t, c, agent.Pause))
	require.Equal(t, "running", state(t, c, agent.Resume))
	require.Equal(t, "gone", state(t, c, agent.Kill))
	require.Equal(t, "running", state(t, c, agent.Start))
	require.NoError(t, c.Reset(t.Context()))
	s, err := c.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, agent.Status{State: "gone"}, s, "what was asked for is no failure")
}

// A cluster asks, without a token, whether a pod takes traffic.
func TestItIsNotReadyWithoutAnEnvoy(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := free.Addr().String()
	require.NoError(t, free.Close())
	c, _ := start(t, agent.Options{Tunnel: at, Token: "secret"})
	require.NoError(t, c.Run(t.Context(), sleeper()))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var resp *http.Response
	require.Eventually(t, func() bool { //nolint:bodyclose // below
		resp, err = client.Get("http://" + at + agent.ReadyPath) //nolint:noctx // a test
		return err == nil
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
}

// A run that is killed leaves nothing broken.
func TestWhatNobodyRenewsIsMended(t *testing.T) {
	t.Parallel()
	c, _ := start(t, agent.Options{})
	require.NoError(t, c.Run(t.Context(), sleeper()))
	for _, action := range []string{agent.Kill, agent.Pause} {
		state(t, c, action)
		begin := time.Now()
		require.Eventually(t, func() bool {
			s, err := c.Status(t.Context())
			return err == nil && s.State == "running"
		}, 20*time.Second, 10*time.Millisecond, action)
		require.GreaterOrEqual(t, time.Since(begin), agent.LeaseTime-time.Second, "%s lasts as long as its lease", action)
	}
}

// Two loops on one processor: each waits half of the time.
func TestItTellsWhenItsProcessHadNoProcessor(t *testing.T) {
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		t.Skip("there is no program taskset")
	}
	c, _ := start(t, agent.Options{})
	begin := time.Now()
	loop := "while :; do :; done"
	require.NoError(t, c.Run(t.Context(), agent.Spec{Name: "busy", Command: []string{taskset, "-c", "0", "/bin/sh", "-c", loop + " & " + loop}}))
	require.Eventually(t, func() bool {
		list, err := c.Strains(t.Context(), begin)
		require.NoError(t, err)
		return len(list) > 2
	}, 30*time.Second, 50*time.Millisecond)
	list, err := c.Strains(t.Context(), begin)
	require.NoError(t, err)
	for _, s := range list {
		require.True(t, s.From.Before(s.To) && s.To.After(begin))
		require.GreaterOrEqual(t, s.Waited, 20*time.Millisecond)
	}
	later, err := c.Strains(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Empty(t, later)
}

func TestItsEndIsTold(t *testing.T) {
	var log bytes.Buffer
	c, _ := start(t, agent.Options{Log: &log, Env: []string{"WHO=nobody"}})
	told := make(chan agent.Status, 1)
	go func() {
		s, _ := c.Ended(context.Background())
		told <- s
	}()
	require.NoError(t, c.Run(t.Context(), agent.Spec{
		Name: "app", Command: []string{"/bin/sh", "-c", "echo $WHO $WHAT; exit 3"}, Env: map[string]string{"WHAT": "works"},
	}))
	s := <-told
	require.Equal(t, "gone", s.State)
	require.Contains(t, s.Ended, "exit status 3")
	require.Equal(t, []string{"nobody works"}, s.Log)
}

func TestRelaysBreakAndMend(t *testing.T) {
	t.Parallel()
	up, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = up.Close() }()
	go func() {
		for {
			c, err := up.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 1)
			_, _ = c.Read(b)
			_, _ = c.Write(b)
			_ = c.Close()
		}
	}()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := free.Addr().String()
	require.NoError(t, free.Close())
	says := func() bool {
		c, err := net.Dial("tcp", at)
		if err != nil {
			return false
		}
		defer func() { _ = c.Close() }()
		_, _ = c.Write([]byte("x"))
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	}

	c, _ := start(t, agent.Options{})
	require.Error(t, c.SetFault(t.Context(), at, "f", relay.Fault{Reset: true}), "there is no relay yet")
	require.NoError(t, c.OpenRelay(t.Context(), agent.Relay{Listen: at, Upstream: up.Addr().String()}))
	require.True(t, says())
	require.NoError(t, c.SetFault(t.Context(), at, "f", relay.Fault{Reset: true}))
	require.False(t, says())
	m, err := c.Met(t.Context(), at)
	require.NoError(t, err)
	require.EqualValues(t, 1, m.Resets)
	require.NoError(t, c.ClearFault(t.Context(), "f"))
	require.True(t, says())
	require.NoError(t, c.SetFault(t.Context(), at, "f", relay.Fault{Reset: true}))
	require.Eventually(t, says, 20*time.Second, 50*time.Millisecond, "the lease on the fault ends")
}

// The containers of a lab that was killed end by themselves.
func TestAlone(t *testing.T) {
	_, ended := start(t, agent.Options{Alone: 300 * time.Millisecond})
	require.ErrorIs(t, <-ended, agent.ErrAlone)
}
