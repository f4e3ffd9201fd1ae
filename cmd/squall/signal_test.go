package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func itoa(n int) string { return strconv.Itoa(n) }

// lab is a squall up that runs.
type runningLab struct {
	cmd    *exec.Cmd
	tmp    string
	stderr *bytes.Buffer
}

// startLab runs squall up and returns when the mesh is up.
func startLab(t *testing.T, args ...string) *runningLab {
	t.Helper()
	return startUntil(t, "the mesh is up", append([]string{"up"}, args...)...)
}

// startUntil runs squall and returns when it has said something.
func startUntil(t *testing.T, says string, args ...string) *runningLab {
	t.Helper()
	tmp, err := os.MkdirTemp("", "sq") //nolint:usetesting // short paths for sockets, and shared by tests
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	bin := program(t)
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	out, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	l := &runningLab{cmd: cmd, tmp: tmp, stderr: &bytes.Buffer{}}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		l.stderr.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), says) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return l
		}
	}
	t.Fatalf("%q was never said:\n%s", says, l.stderr)
	return nil
}

// program gives the program under test, which TestMain has put into PATH.
func program(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("squall")
	require.NoError(t, err)
	return path
}

// processes lists those that belong to the lab: its folder stands in their command line or environment.
func (l *runningLab) processes() []string {
	var out []string
	paths, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range paths {
		if filepath.Base(p) == itoa(os.Getpid()) {
			continue
		}
		for _, file := range []string{"cmdline", "environ"} {
			if data, err := os.ReadFile(filepath.Join(p, file)); err == nil && bytes.Contains(data, []byte(l.tmp)) {
				out = append(out, filepath.Base(p)+" "+file)
			}
		}
	}
	return out
}

// gone waits until nothing of the lab is left; the bound is the one promised.
func (l *runningLab) gone(t *testing.T, within time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		left, _ := filepath.Glob(filepath.Join(l.tmp, "*"))
		return len(l.processes()) == 0 && len(left) == 0
	}, within, 20*time.Millisecond, "processes or folders are left")
}

func TestSignalsLeaveNothingBehind(t *testing.T) {
	for _, c := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, exitInterrupted}, {syscall.SIGTERM, exitTerminated}} {
		for _, platform := range platforms(t) {
			t.Run(platform, func(t *testing.T) {
				l := startLab(t, "--platform", platform)
				require.NotEmpty(t, l.processes())
				require.NoError(t, l.cmd.Process.Signal(c.signal))
				_ = l.cmd.Wait()
				require.Equal(t, c.code, l.cmd.ProcessState.ExitCode())
				l.gone(t, 3*time.Second)
			})
		}
	}
}

// platforms are loopback, and pods where the system allows them.
func platforms(t *testing.T) []string {
	t.Helper()
	if out, err := exec.Command(program(t), "pod-check").CombinedOutput(); err != nil {
		t.Logf("without pods: %s", out)
		return []string{"loopback"}
	}
	return []string{"loopback", "pods"}
}

// With --keep the verdict is there, and so is the mesh, until somebody ends it.
func TestKeptMeshesAnswerUntilTheyAreEnded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "short.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: short}
spec:
  app: backend
  warmup: 200ms
  config:
    - {apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g}, spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}}
    - {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b}, spec: {hosts: ["*"], gateways: [g], http: [{route: [{destination: {host: backend, port: {number: 8080}}}]}]}}
  load: [{name: readers, rate: 20/s, duration: 1s, request: {path: /}}]
  checks: [{load: readers, status: {200: "100%"}}]
`), 0o600))
	out, err := exec.Command(program(t), "run", "--keep", "--repeat", "2", file).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "name one scenario")

	l := startUntil(t, "the mesh stays up at", "run", "--keep", file)
	_, address, _ := strings.Cut(l.stderr.String(), "stays up at ")
	address, _, _ = strings.Cut(address, ";")
	resp, err := http.Get(address) //nolint:gosec,noctx // the lab's own gateway
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	require.NoError(t, l.cmd.Process.Signal(syscall.SIGINT))
	_ = l.cmd.Wait()
	require.Equal(t, exitInterrupted, l.cmd.ProcessState.ExitCode())
	l.gone(t, 3*time.Second)
}

func TestKillLeavesNothingBehind(t *testing.T) {
	for _, platform := range platforms(t) {
		t.Run(platform, func(t *testing.T) {
			l := startLab(t, "--platform", platform)
			require.NoError(t, l.cmd.Process.Kill())
			_ = l.cmd.Wait()
			l.gone(t, 3*time.Second)
		})
	}
}

func TestEnvoyKilledInMidRunIsAnError(t *testing.T) {
	for _, platform := range platforms(t) {
		t.Run(platform, func(t *testing.T) {
			l := startLab(t, "--platform", platform)
			killed := false
			for _, p := range l.processes() {
				pid, _, _ := strings.Cut(p, " ")
				data, _ := os.ReadFile("/proc/" + pid + "/cmdline")
				if bytes.Contains(data, []byte("envoy")) && bytes.Contains(data, []byte("ratings")) {
					n, err := strconv.Atoi(pid)
					require.NoError(t, err)
					require.NoError(t, syscall.Kill(n, syscall.SIGKILL))
					killed = true
					break
				}
			}
			require.True(t, killed, "no Envoy of ratings found")
			_ = l.cmd.Wait()
			require.Equal(t, exitBroken, l.cmd.ProcessState.ExitCode())
			l.gone(t, 3*time.Second)
		})
	}
}

// urged is empty input during whose reading the process gets the signal that Go's scheduler sends to itself.
type urged struct{ got chan os.Signal }

func (u urged) Read([]byte) (int, error) {
	if err := syscall.Kill(os.Getpid(), syscall.SIGURG); err != nil {
		return 0, err
	}
	<-u.got
	for range 1000 {
		runtime.Gosched() // whoever else got it may act on it now
	}
	return 0, io.EOF
}

func TestSignalsOfTheRuntimeDoNotEndARun(t *testing.T) {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGURG)
	defer signal.Stop(got)
	for range 20 {
		env := &environment{args: []string{"validate", "-"}, stdin: urged{got}, stdout: io.Discard, stderr: io.Discard}
		require.Equal(t, exitInvalid, run(env))
	}
}
