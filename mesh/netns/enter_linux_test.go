package netns_test

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// inside runs a command by way of Enter, in a program of its own.
func inside(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return exec.Command(self, append([]string{"enter"}, args...)...)
}

// run gives output and exit code; where the system refuses, the test is skipped with its reason.
func run(t *testing.T, cmd *exec.Cmd) (string, int) {
	t.Helper()
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	_ = cmd.Run()
	if cmd.ProcessState.ExitCode() == refusedCode && os.Getenv("MUST") == "" {
		t.Skip(words.String())
	}
	t.Log(words.String())
	return out.String(), cmd.ProcessState.ExitCode()
}

func TestEnterPassesExitCodesOn(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for _, want := range []string{"0", "5"} {
		_, code := run(t, inside(t, self, "exit", want))
		require.Equal(t, want, string(rune('0'+code)))
	}
	_, code := run(t, inside(t, "/bin/sh", "-c", "kill -TERM $$"))
	require.Equal(t, 128+15, code)
}

func TestEnterMakesItsUserRootOfAWorldOfItsOwn(t *testing.T) {
	out, code := run(t, inside(t, "/bin/sh", "-c", "echo $PPID; ls /proc | grep -c '^[0-9]'; id -u"))
	require.Zero(t, code)
	lines := strings.Fields(out)
	require.Equal(t, "1", lines[0], "init is the first process")
	require.Less(t, len(lines[1]), 2, "other processes are not seen")
	require.Equal(t, "0", lines[2])
}

func TestEnterPassesSignalsOn(t *testing.T) {
	cmd := inside(t, "/bin/sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, _ := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() == refusedCode {
		t.Skip("the system refuses namespaces")
	}
	require.Equal(t, "up\n", line)
	require.Equal(t, 9, cmd.ProcessState.ExitCode())
}

// Processes that went into sessions of their own end with the command, and with the program that entered, however it ends.
func TestNothingOutlivesEnter(t *testing.T) {
	for name, kill := range map[string]bool{"the command ends": false, "the program is killed": true} {
		t.Run(name, func(t *testing.T) {
			mark := filepath.Join(t.TempDir(), "beats")
			script := "setsid sh -c 'while :; do echo beat >>" + mark + "; sleep 0.02; done' </dev/null >/dev/null 2>&1 & while [ ! -s " + mark + " ]; do sleep 0.01; done; echo up; read line"
			cmd := inside(t, "/bin/sh", "-c", script)
			in, err := cmd.StdinPipe()
			require.NoError(t, err)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, _ := bufio.NewReader(out).ReadString('\n')
			if kill {
				require.NoError(t, cmd.Process.Kill())
			} else {
				_, _ = io.WriteString(in, "\n")
			}
			_ = cmd.Wait()
			if cmd.ProcessState.ExitCode() == refusedCode {
				t.Skip("the system refuses namespaces")
			}
			require.Equal(t, "up\n", line)
			size := func() int64 {
				info, err := os.Stat(mark)
				require.NoError(t, err)
				return info.Size()
			}
			// It stops to grow: compared over twenty times as long as a beat takes.
			require.Eventually(t, func() bool {
				before := size()
				time.Sleep(400 * time.Millisecond)
				return size() == before
			}, 20*time.Second, time.Millisecond)
		})
	}
}

// All of this works for a user who is not root, where the system lets users make namespaces.
func TestWithoutRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this user is not root: the tests above have shown it")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "sq") //nolint:usetesting // another user must reach it
	require.NoError(t, err)
	defer os.RemoveAll(dir)                  //nolint:errcheck // a folder for temporary files
	require.NoError(t, os.Chmod(dir, 0o777)) //nolint:gosec // another user must reach it
	data, err := os.ReadFile(self)
	require.NoError(t, err)
	program := filepath.Join(dir, "netns.test")
	require.NoError(t, os.WriteFile(program, data, 0o755)) //nolint:gosec // another user runs it
	const nobody = 65534
	cmd := exec.Command(program, "enter", program, "-test.run", "TestTheKernel|TestTheSidecar|TestProcesses|TestAClosed|TestLost|TestCheck", "-test.count", "1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, "MUST=1"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == refusedCode {
		t.Skipf("%s", out)
	}
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "no tests to run")
}
