package proc_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/proc"
)

func TestOwnerKilledLeavesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a grandchild in a session of its own is found by its environment, which only Linux shows")
	}
	dir := tempDir(t)
	cmd := exec.Command(self(t), "role=owner", dir, "wait")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var child, grandchild int
	_, err = fmt.Fscan(out, &child, &grandchild)
	require.NoError(t, err)
	require.True(t, alive(child))
	require.True(t, alive(grandchild))

	killed := time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, cmd.Wait())
	requireGone(t, 3*time.Second, child, grandchild)
	require.Eventually(t, func() bool { return missing(dir) }, 3*time.Second, 2*time.Millisecond, "%s stays", dir)
	assert.Less(t, time.Since(killed), 3*time.Second)
}

func TestOwnerClosedLeavesNothing(t *testing.T) {
	dir := tempDir(t)
	cmd := exec.Command(self(t), "role=owner", dir, "close")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var child, grandchild int
	_, err = fmt.Sscan(string(out), &child, &grandchild)
	require.NoError(t, err)
	requireGone(t, 0, child)
	if runtime.GOOS == "linux" {
		requireGone(t, time.Second, grandchild)
	}
	assert.True(t, missing(dir), "%s stays", dir)
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

func TestCloseIsIdempotentAndRefusesMore(t *testing.T) {
	owner := newOwner(t)
	p, _ := start(t, owner, "idle")
	assert.Equal(t, []*proc.Process{p}, owner.Processes())
	require.NoError(t, owner.Close())
	require.NoError(t, owner.Close())
	<-p.Done()
	require.NoError(t, p.Err(), "a process that was asked to end did not fail")
	assert.Empty(t, owner.Processes())
	_, err := owner.Start(proc.Spec{Path: self(t), Args: []string{"role=idle"}})
	require.ErrorIs(t, err, proc.ErrClosed)
	require.ErrorIs(t, owner.RemoveAtEnd(t.TempDir()), proc.ErrClosed)
}

func TestCloseEscalates(t *testing.T) {
	owner := newOwner(t)
	p, _ := start(t, owner, "stubborn")
	require.NoError(t, owner.Close())
	assert.Equal(t, syscall.SIGKILL, signalOf(t, p))
}

func TestStop(t *testing.T) {
	owner := newOwner(t)
	polite, _ := start(t, owner, "idle")
	require.NoError(t, polite.Stop(within(t, 10*time.Second)))
	assert.Equal(t, syscall.SIGTERM, signalOf(t, polite))

	stubborn, _ := start(t, owner, "stubborn")
	assert.Nil(t, stubborn.Exit())
	require.NoError(t, stubborn.Stop(within(t, 50*time.Millisecond)))
	assert.Equal(t, syscall.SIGKILL, signalOf(t, stubborn))
	assert.Equal(t, proc.Gone, stubborn.State())
	require.NoError(t, stubborn.Stop(t.Context()), "stopping what has ended does nothing")
}

func TestStopReachesAPausedProcess(t *testing.T) {
	owner := newOwner(t)
	p, _ := start(t, owner, "idle")
	require.NoError(t, p.Pause())
	require.NoError(t, p.Stop(within(t, 10*time.Second)))
	assert.Equal(t, syscall.SIGTERM, signalOf(t, p))
}

func signalOf(t *testing.T, p *proc.Process) syscall.Signal {
	t.Helper()
	require.NotNil(t, p.Exit())
	ws, ok := p.Exit().Sys().(syscall.WaitStatus)
	require.True(t, ok)
	return ws.Signal()
}

func TestPauseAndResumeTheTree(t *testing.T) {
	owner := newOwner(t)
	p, line := start(t, owner, "family")
	away := childOf(t, line)
	assert.Equal(t, proc.Running, p.State())

	require.NoError(t, p.Pause())
	assert.Equal(t, proc.Stopped, p.State())
	members, err := p.Members()
	require.NoError(t, err)
	require.Len(t, members, 2)
	for _, m := range members {
		assert.Contains(t, []int{p.PID(), away}, m.PID)
		assert.Equal(t, proc.Stopped, m.State, m.String())
	}

	require.NoError(t, p.Resume())
	assert.Equal(t, proc.Running, p.State())
	require.NoError(t, p.Kill())
	assert.Equal(t, proc.Gone, p.State())
	require.Error(t, p.Pause(), "what has ended cannot be paused")
}

func TestTheTreeEndsWithItsFirstProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a child in a session of its own is found by its environment, which only Linux shows")
	}
	owner := newOwner(t)
	killed, line := start(t, owner, "family")
	require.NoError(t, killed.Kill())
	requireGone(t, 0, killed.PID(), childOf(t, line))

	ended, line := start(t, owner, "parent")
	<-ended.Done()
	require.NoError(t, ended.Err())
	requireGone(t, time.Second, childOf(t, line))
}

func TestAFailureTellsTheLastWords(t *testing.T) {
	owner := newOwner(t)
	var log bytes.Buffer
	p, err := owner.Start(proc.Spec{Name: "ratings", Path: self(t), Args: []string{"role=crash"}, Log: &log})
	require.NoError(t, err)
	<-p.Done()
	assert.Equal(t, "one\ntwo\nlast words\n", log.String())
	assert.Equal(t, []string{"two", "last words"}, p.LogTail(2))
	assert.Equal(t, 7, p.Exit().ExitCode())
	require.EqualError(t, p.Err(), "ratings ended: exit status 7; it printed last: last words")
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAFullDiskDoesNotBlockTheChild(t *testing.T) {
	owner := newOwner(t)
	p, err := owner.Start(proc.Spec{Name: "ratings", Path: self(t), Args: []string{"role=crash"}, Log: fullDisk{}})
	require.NoError(t, err)
	<-p.Done()
	require.ErrorIs(t, p.LogErr(), syscall.ENOSPC)
	assert.Equal(t, []string{"last words"}, p.LogTail(1))
}

func TestStartErrors(t *testing.T) {
	owner := newOwner(t)
	_, err := owner.Start(proc.Spec{Name: "app", Path: "/no/such/program"})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "start app: ")
	_, err = owner.Start(proc.Spec{Path: "envoy"})
	require.ErrorContains(t, err, "is not a path")
	for _, dir := range []string{"", "relative", "/", "//", "/a/.."} {
		require.Error(t, owner.RemoveAtEnd(dir), dir)
	}
	_, err = proc.NewOwner(proc.Options{Watchdog: []string{"/no/such/watchdog"}})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestManyAtOnce(t *testing.T) {
	owner := newOwner(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			p, err := owner.Start(proc.Spec{Path: self(t), Args: []string{"role=idle"}})
			if assert.NoError(t, err) {
				_ = p.State()
				assert.NoError(t, p.Kill())
			}
		})
	}
	wg.Wait()
	assert.Empty(t, owner.Processes())
}

func TestADeadWatchdogIsReported(t *testing.T) {
	owner, err := proc.NewOwner(proc.Options{Watchdog: []string{self(t), "role=crash"}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return owner.RemoveAtEnd(t.TempDir()) != nil }, 5*time.Second, time.Millisecond)
	_, err = owner.Start(proc.Spec{Path: self(t), Args: []string{"role=idle"}})
	require.ErrorIs(t, err, syscall.EPIPE)
	require.ErrorContains(t, owner.Close(), "exit status 7")
	assert.Empty(t, owner.Processes())
}

func TestWatchdogRefusesNonsense(t *testing.T) {
	for _, line := range []string{"group 1", "group x", "forget -3", "dir relative", `dir "relative"`, "hello"} {
		cmd := exec.Command(self(t), "role=watchdog")
		cmd.Stdin = strings.NewReader(line + "\n")
		out, err := cmd.CombinedOutput()
		require.Error(t, err, line)
		assert.Contains(t, string(out), strings.Fields(line)[len(strings.Fields(line))-1])
	}
}
