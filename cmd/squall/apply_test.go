package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/bookinfo"
)

// command runs squall beside a lab and gives what it printed and its exit code.
func (l *runningLab) command(t *testing.T, args ...string) (string, int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program(t), args...)
	c.Env = append(os.Environ(), "TMPDIR="+l.tmp)
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// Each rule set that users know from Bookinfo becomes effective on real proxies, on top of destination-rule-all.
func TestEveryRuleSetOfBookinfoApplies(t *testing.T) {
	l := startLab(t)
	dir := t.TempDir()
	rules, err := bookinfo.Files.ReadDir("rules")
	require.NoError(t, err)
	for _, rule := range rules {
		data, err := bookinfo.Files.ReadFile("rules/" + rule.Name())
		require.NoError(t, err)
		path := filepath.Join(dir, rule.Name())
		require.NoError(t, os.WriteFile(path, data, 0o600))
		out, code := l.command(t, "apply", path)
		require.Equal(t, exitPass, code, "%s: %s", rule.Name(), out)
		require.Contains(t, out, "effective on", rule.Name())
		out, code = l.command(t, "reset")
		require.Equal(t, exitPass, code, out)
	}
}

// A rule that only Envoy can refuse is refused with its place; the mesh goes on with what it had.
func TestARuleThatEnvoyRefusesIsNamedAndChangesNothing(t *testing.T) {
	l := startLab(t)
	path := filepath.Join(t.TempDir(), "header.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details}
spec:
  hosts: [details]
  http:
    - headers: {request: {set: {x-who: "%NO_SUCH_COMMAND%"}}}
      route: [{destination: {host: details}}]
`), 0o600))
	out, code := l.command(t, "apply", path)
	require.Equal(t, exitInvalid, code, out)
	require.Contains(t, out, "header.yaml:1:1: Envoy refuses this")
	require.Contains(t, out, "still serves")

	out, code = l.command(t, "get", "proxies")
	require.Equal(t, exitPass, code, out)
	require.Equal(t, 7, strings.Count(out, "true       "), out)
	out, code = l.command(t, "apply", path)
	require.Equal(t, exitInvalid, code, "a second try is refused as the first: "+out)
}
