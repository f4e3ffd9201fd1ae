package proc_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/proc"
)

// Two programs that want all of one processor wait for each other half of the time.
func TestWaitingForAProcessorIsSeen(t *testing.T) {
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		t.Skip("taskset (util-linux) is missing")
	}
	busy := func() *exec.Cmd {
		c := exec.CommandContext(t.Context(), taskset, "-c", "0", "sh", "-c", "while :; do :; done")
		require.NoError(t, c.Start())
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		return c
	}
	a := busy()
	busy()
	require.Eventually(t, func() bool {
		return proc.Waited(a.Process.Pid)[a.Process.Pid] > 50*time.Millisecond
	}, 20*time.Second, 20*time.Millisecond)
	require.NotEmpty(t, proc.Waited(os.Getpid()))
	require.Empty(t, proc.Waited(1<<30))
}
