package proc_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/mesh/proc"
)

// The test binary plays every part: with "role=NAME" as its first argument it is an owner, a watchdog or a child.
var roles = map[string]func(args []string) int{
	"watchdog": func([]string) int { return status(proc.Watchdog(os.Stdin)) },
	"owner":    ownerRole,
	"idle":     func([]string) int { fmt.Println("ready"); return idle() },
	"stubborn": func([]string) int { signal.Ignore(syscall.SIGTERM); fmt.Println("ready"); return idle() },
	"family":   familyRole,
	"parent":   parentRole,
	"crash":    func([]string) int { fmt.Println("one\ntwo\nlast words"); return 7 },
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if name, ok := strings.CutPrefix(os.Args[1], "role="); ok {
			syscall.Exit(roles[name](os.Args[2:])) // os.Exit would let the race detector sleep a second
		}
	}
	goleak.VerifyTestMain(m)
}

func status(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// idle lives until killed; the bound only keeps a failed test from leaving something behind for long.
func idle() int { time.Sleep(time.Minute); return 0 }

// familyRole has a child in a session of its own, which also ignores SIGTERM, and prints its process id.
func familyRole([]string) int {
	pid, err := spawnAway()
	if err != nil {
		return status(err)
	}
	fmt.Println("child", pid)
	return idle()
}

// parentRole ends by itself and leaves such a child behind.
func parentRole([]string) int {
	pid, err := spawnAway()
	fmt.Println("child", pid)
	return status(err)
}

func spawnAway() (int, error) {
	cmd := exec.Command(os.Args[0], "role=stubborn")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	_, err = bufio.NewReader(out).ReadString('\n')
	return cmd.Process.Pid, err
}

// ownerRole owns a family and the directory args[0], prints their process ids and waits to be killed; with args[1]
// "close" it closes in good order.
func ownerRole(args []string) int {
	owner, err := proc.NewOwner(proc.Options{Watchdog: []string{os.Args[0], "role=watchdog"}})
	if err != nil {
		return status(err)
	}
	if err := owner.RemoveAtEnd(args[0]); err != nil {
		return status(err)
	}
	out, in := io.Pipe()
	p, err := owner.Start(proc.Spec{Path: os.Args[0], Args: []string{"role=family"}, Log: in})
	if err != nil {
		return status(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return status(err)
	}
	fmt.Println(p.PID(), strings.Fields(line)[1])
	if args[1] == "close" {
		return status(owner.Close())
	}
	return idle()
}

func newOwner(t *testing.T) *proc.Owner {
	t.Helper()
	owner, err := proc.NewOwner(proc.Options{Watchdog: []string{self(t), "role=watchdog"}, Grace: 200 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, owner.Close()) })
	return owner
}

// start starts a role and returns it with its first line of output.
func start(t *testing.T, owner *proc.Owner, role string) (*proc.Process, string) {
	t.Helper()
	out, in := io.Pipe()
	p, err := owner.Start(proc.Spec{Name: role, Path: self(t), Args: []string{"role=" + role}, Log: in})
	require.NoError(t, err)
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	require.NoError(t, err)
	drained := make(chan struct{})
	go func() { defer close(drained); _, _ = io.Copy(io.Discard, lines) }()
	t.Cleanup(func() {
		require.NoError(t, p.Kill())
		require.NoError(t, in.Close())
		<-drained
	})
	return p, strings.TrimSpace(first)
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

func childOf(t *testing.T, line string) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimPrefix(line, "child "))
	require.NoError(t, err)
	return pid
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// requireGone waits until no process of these ids runs; zombies, which their adopted parent has still to reap, do not.
func requireGone(t *testing.T, limit time.Duration, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if limit == 0 {
			require.False(t, alive(pid), "process %d lives", pid)
			continue
		}
		require.Eventually(t, func() bool { return !alive(pid) }, limit, 2*time.Millisecond, "process %d lives", pid)
	}
}

func alive(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

func tempDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a lab")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "f"), []byte("x"), 0o600))
	return dir
}
