package main

import (
	"bufio"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
)

// An open TCP connection goes on by the rule under which it was made. Who asks for it is told that, with the proxy's name, and an apply
// that may wait returns when the last such connection is closed.
func TestApplySaysWhichConnectionsKeepTheOldRule(t *testing.T) {
	lab, _ := ownLab(t, "tcp-echo")
	caller, ok := lab.Instance("tcp-echo-v1")
	require.True(t, ok)
	address, err := lab.Reach(t.Context(), caller, "tcp-echo", 9000, false)
	require.NoError(t, err)
	open := func() (say func() string, conn net.Conn) {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		in := bufio.NewReader(conn)
		return func() string {
			_, err := fmt.Fprintln(conn, "hello")
			require.NoError(t, err)
			line, err := in.ReadString('\n')
			require.NoError(t, err)
			return line
		}, conn
	}
	apply := func(version string, drain time.Duration) (mesh.ApplyResponse, error) {
		return lab.Client().Apply(t.Context(), mesh.ApplyRequest{Drain: drain, Files: []config.File{{Name: "rules.yaml", Data: []byte(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: tcp-echo}
spec: {host: tcp-echo, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tcp-echo}
spec: {hosts: [tcp-echo], tcp: [{route: [{destination: {host: tcp-echo, subset: ` + version + `}}]}]}
`)}}})
	}
	_, err = apply("v1", 0)
	require.NoError(t, err)
	old, conn := open()
	require.Equal(t, "one hello\n", old())

	resp, err := apply("v2", 300*time.Millisecond)
	require.Error(t, err)
	require.Equal(t, mesh.KindLate, resp.Kind)
	require.Contains(t, err.Error(), caller.ID())
	require.Contains(t, err.Error(), "drained")
	fresh, second := open()
	require.Equal(t, "two hello\n", fresh(), "the change stands")
	require.Equal(t, "one hello\n", old(), "the old connection goes on")

	done := make(chan error, 1)
	go func() {
		_, err := apply("v1", time.Minute)
		done <- err
	}()
	require.Eventually(t, func() bool {
		say, conn := open()
		defer func() { _ = conn.Close() }()
		return say() == "one hello\n"
	}, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, "two hello\n", fresh())
	require.Empty(t, done, "connections of old rules are open")
	require.NoError(t, conn.Close())
	require.NoError(t, second.Close())
	require.NoError(t, <-done)
}
