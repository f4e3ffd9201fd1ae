package agent

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/squallmesh/squall/mesh/ca"
)

// authority serves certificates over TLS under a name, and gives its address, its roots and who vouches for callers.
func authority(t *testing.T, name string) (address, roots string, vouches *ca.Attestor) {
	t.Helper()
	vouches, err := ca.NewAttestor(nil)
	require.NoError(t, err)
	key, err := vouches.PublicKey()
	require.NoError(t, err)
	callers, err := ca.NewVerifier(key, nil)
	require.NoError(t, err)
	a, err := ca.Open(ca.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- ca.NewServer(a, callers, nil).Serve(ctx, l, grpc.Creds(credentials.NewTLS(a.Serving(name))))
	}()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	return l.Addr().String(), a.Roots(), vouches
}

func TestAnEnvoyHasItsIdentityAsLongAsItsWorkload(t *testing.T) {
	dir, err := os.MkdirTemp("", "sq") //nolint:usetesting // short paths for sockets
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(dir)) }()
	at, roots, vouches := authority(t, "127.0.0.1")
	reviews := ca.Workload{Namespace: "default", ServiceAccount: "reviews"}
	o := Identity{Workload: reviews, TrustDomain: "cluster.local", Authority: at, Roots: roots}
	one, err := startIdentity(t.Context(), o, dir)
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(dir, sdsSocket))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm(), "nobody else gets the key")

	// Without a token, or with another workload's, there is none.
	other, err := vouches.Token(ca.Workload{Namespace: "default", ServiceAccount: "ratings"})
	require.NoError(t, err)
	one.certify(other)
	refused := func() bool {
		serial, _, err := one.agent.Version()
		require.Empty(t, serial)
		return err != nil && err.Error() != errNoToken.Error() && err.Error() != "token: "+errNoToken.Error()
	}
	require.Eventually(t, refused, 30*time.Second, 10*time.Millisecond)
	_, _, err = one.agent.Version()
	require.ErrorContains(t, err, "its own identity alone")

	own, err := vouches.Token(reviews)
	require.NoError(t, err)
	one.certify(own)
	require.Eventually(t, func() bool { serial, _, _ := one.agent.Version(); return serial != "" }, 30*time.Second, 10*time.Millisecond)
	one.end()
	_, err = os.Stat(filepath.Join(dir, sdsSocket))
	require.ErrorIs(t, err, os.ErrNotExist, "whoever comes next finds nothing")
}

// A token is not shown to somebody who only has the authority's address.
func TestAnImpostorGetsNoToken(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "sq") //nolint:usetesting // short paths for sockets
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(dir)) }()
	at, _, vouches := authority(t, "127.0.0.1")
	_, roots, _ := authority(t, "127.0.0.1")
	reviews := ca.Workload{Namespace: "default", ServiceAccount: "reviews"}
	token, err := vouches.Token(reviews)
	require.NoError(t, err)
	one, err := startIdentity(t.Context(), Identity{Workload: reviews, TrustDomain: "cluster.local", Authority: at, Roots: roots, Token: token}, dir)
	require.NoError(t, err)
	defer one.end()
	require.Eventually(t, func() bool { _, _, err := one.agent.Version(); return err != nil }, 30*time.Second, 10*time.Millisecond)
	serial, _, _ := one.agent.Version()
	require.Empty(t, serial)

	_, err = startIdentity(t.Context(), Identity{Workload: reviews, TrustDomain: "cluster.local", Roots: "none"}, dir)
	require.ErrorContains(t, err, "no certificates in PEM")
}
