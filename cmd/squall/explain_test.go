package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Without rules it is a live Envoy that says what it does, down to the place of the rule that it was given.
func TestALiveEnvoyIsExplained(t *testing.T) {
	l := startLab(t)
	path := filepath.Join(t.TempDir(), "details.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details}
spec:
  hosts: [details]
  http:
    - name: slow
      match: [{uri: {prefix: /details/9}}]
      timeout: 3s
      fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
      route: [{destination: {host: details}}]
    - name: rest
      route: [{destination: {host: details}}]
`), 0o600))
	out, code := l.command(t, "apply", path)
	require.Equal(t, exitPass, code, out)
	out, code = l.command(t, "explain", "--from", "productpage-v1", "--get", "http://details:9080/details/9")
	require.Equal(t, exitPass, code, out)
	require.Contains(t, out, ", as its Envoy is configured now")
	require.Regexp(t, `ROUTE +0 slow: /details/9\* +`+path+`:8:15`, out)
	require.Regexp(t, `shadowed +1 rest: /\* +`+path+`:12:7`, out)
	require.Regexp(t, `fault +status 418 for 100 % of the requests +`+path+`:7:7`, out)
	require.Regexp(t, `endpoints +details-v1\S* \(127\.\S+:9080\)`, out)
	require.Regexp(t, `timeout 3s +by a rule`, out)
	out, code = l.command(t, "explain", "--from", "nobody", "--get", "http://details:9080/")
	require.Equal(t, exitInvalid, code, out)
	require.Contains(t, out, `no single workload is called "nobody"`)
}

func TestEveryFlagHasWords(t *testing.T) {
	require.True(t, slices.IsSortedFunc(responseFlags, func(a, b responseFlag) int {
		if a.letters < b.letters {
			return -1
		}
		return 1
	}))
	require.Len(t, responseFlags, 30, "Envoy 1.40 has as many")
	for _, f := range responseFlags {
		require.NotEmpty(t, f.means, f.letters)
		require.NotEmpty(t, f.look, f.letters)
	}
	_, ok := flagNamed("UO")
	require.True(t, ok)
}
