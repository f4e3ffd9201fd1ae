// Package envoytest has what tests that ask one real Envoy share.
package envoytest

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/proc"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
)

const watchdog = "role=watchdog"

// Main is the TestMain of such tests, given os.Args and os.Stdin. With "role=watchdog" as its first argument the test binary ends the
// Envoys of a test that was killed.
func Main(m *testing.M, args []string, stdin *os.File) {
	if len(args) > 1 && args[1] == watchdog {
		if err := proc.Watchdog(stdin); err != nil {
			syscall.Exit(1)
		}
		syscall.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// Single starts a server and a real Envoy, which go with the test. Envoy is found in the search path, PATH, or in the user's cache. Owner,
// Binary and Dir of the options are filled in.
func Single(t *testing.T, path string, o xdstest.SingleOptions) *xdstest.Single {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	o.Owner, err = proc.NewOwner(proc.Options{Watchdog: []string{self, watchdog}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Owner.Close()) })
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	o.Binary, err = envoy.Find(t.Context(), envoy.FindOptions{Path: path, CacheDir: filepath.Join(cache, "squall")})
	require.NoError(t, err, "this test needs a real Envoy: run `make envoy`")
	o.Dir, err = os.MkdirTemp("", "sq") //nolint:usetesting // t.TempDir has long paths
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(o.Dir)) })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	s, err := xdstest.StartSingle(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// FreePort is a port on which nobody listens.
func FreePort(t *testing.T) uint32 {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return uint32(l.Addr().(*net.TCPAddr).Port)
}
