package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A prober that cannot see a stale answer would make every barrier perfect.
func TestProberCountsConnectionsThatSeeTheOldRule(t *testing.T) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		who := "new"
		if n.Add(1) == 2 {
			who = "old"
		}
		w.Header().Set("x-backend", who)
	}))
	defer srv.Close()
	p := newProber(nil)
	defer p.close()
	stale, probes := p.stale(t.Context(), srv.URL, "", []string{"new"}, false)
	require.Equal(t, []int{1, 5}, []int{stale, probes})
	stale, probes = p.stale(t.Context(), srv.URL, "", []string{"old"}, true)
	require.Equal(t, []int{1, 1}, []int{stale, probes})
	stale, probes = p.stale(t.Context(), srv.URL, "", []string{"new", "old"}, false)
	require.Equal(t, []int{4, 8}, []int{stale, probes}, "each open connection must see both")
}

func TestTheMemoryOfChildrenCounts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	alone := treeMemory(os.Getpid())
	require.Greater(t, alone, 1e6)
	child := exec.CommandContext(t.Context(), "cat")
	in, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	require.Positive(t, treeMemory(child.Process.Pid))
	require.Greater(t, treeMemory(os.Getpid()), treeMemory(child.Process.Pid))
	require.NoError(t, in.Close())
	require.NoError(t, child.Wait())
	require.Zero(t, treeMemory(child.Process.Pid), "it is gone")
}

func TestBenchNamesItsParts(t *testing.T) {
	err := newBenchCommandError(t, "--only", "nothing")
	require.ErrorContains(t, err, "--only nothing: there is xds, control, barrier")
}

func newBenchCommandError(t *testing.T, args ...string) error {
	t.Helper()
	c := newBenchCommand(&environment{})
	c.SetArgs(args)
	c.SilenceUsage, c.SilenceErrors = true, true
	return c.ExecuteContext(t.Context())
}
