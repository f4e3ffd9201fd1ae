package proc_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/proc"
)

// What a child of a child computes counts.
func TestWhatDescendantsComputeCounts(t *testing.T) {
	before, start := proc.Used(os.Getpid()), time.Now()
	c := exec.CommandContext(t.Context(), "sh", "-c", "(i=0; while [ $i -lt 100000000 ]; do i=$((i+1)); done) & wait")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL); _ = c.Wait() })
	require.Eventually(t, func() bool { return proc.Used(c.Process.Pid) >= 50*time.Millisecond }, time.Minute, 10*time.Millisecond)
	require.GreaterOrEqual(t, proc.Used(os.Getpid())-before, 50*time.Millisecond)
	require.Less(t, proc.Used(c.Process.Pid), 2*time.Since(start)+50*time.Millisecond)
	require.Zero(t, proc.Used(1<<30))
}
