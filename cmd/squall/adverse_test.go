package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// adverse writes an app with one workload at a port, and a scenario; it gives the scenario's path.
func adverse(t *testing.T, port int) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"app.yaml": fmt.Sprintf(`apiVersion: squall.dev/v1alpha1
kind: App
metadata: {name: lonely}
spec:
  manifests: [manifests.yaml]
  run:
    lonely: {command: ["{{.Squall}}", bookinfo, backend, --listen, "{{.Address}},http=%d", --control, "{{.ControlSocket}}"]}
`, port),
		"manifests.yaml": fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: lonely}
spec: {selector: {app: lonely}, ports: [{name: http, port: %[1]d}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: lonely}
spec:
  selector: {matchLabels: {app: lonely}}
  template:
    metadata: {labels: {app: lonely}}
    spec: {containers: [{name: lonely, image: lonely, ports: [{containerPort: %[1]d}]}]}
`, port),
		"scenario.yaml": fmt.Sprintf(`apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: lonely}
spec:
  title: It answers
  app: app.yaml
  warmup: 0s
  load: [{name: callers, rate: 20/s, duration: 500ms, request: {path: /, host: "lonely:%d", from: lonely}}]
  checks: [{load: callers, success: "100%%"}]
`, port),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return filepath.Join(dir, "scenario.yaml")
}

// runs squall run and gives what it says and its exit code; nothing may be left behind.
func runAdverse(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	tmp, err := os.MkdirTemp("", "sq") //nolint:usetesting // short paths for sockets
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	cmd := exec.Command(program(t), append([]string{"run", "--platform", "loopback"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	out, _ := cmd.CombinedOutput()
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
	return string(out), cmd.ProcessState.ExitCode()
}

func TestAPortThatIsTakenIsNamed(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp4", "0.0.0.0:0") //nolint:gosec // what another program on the machine may do
	require.NoError(t, err)
	defer func() { _ = other.Close() }()
	port := other.Addr().(*net.TCPAddr).Port
	said, code := runAdverse(t, adverse(t, port))
	require.Equal(t, 4, code, said)
	require.Contains(t, said, fmt.Sprintf(":%d': Address already in use", port))
	require.Contains(t, said, "another program listens on this port on all addresses")
}

func TestAFullDiskIsSaid(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("the system has no /dev/full")
	}
	scenario := adverse(t, 18080)
	t.Run("the record", func(t *testing.T) {
		t.Parallel()
		out := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(out, "lonely"), 0o750))
		require.NoError(t, os.Symlink("/dev/full", filepath.Join(out, "lonely", recordName)))
		said, code := runAdverse(t, "--out", out, scenario)
		require.Equal(t, 4, code, said)
		require.Contains(t, said, "ERROR lonely")
		require.Contains(t, said, "no space left on device")
	})
	t.Run("a report", func(t *testing.T) {
		t.Parallel()
		said, code := runAdverse(t, "--junit", "/dev/full", scenario)
		require.Equal(t, 4, code, said)
		require.Contains(t, said, "PASS lonely")
		require.Contains(t, said, "no space left on device")
	})
}
