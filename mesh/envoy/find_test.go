package envoy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/envoy"
)

// fakeEnvoy is a script that only answers --version.
func fakeEnvoy(t *testing.T, file, version string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
	script := "#!/bin/sh\necho\necho \"$0  version: 9e5580933739775e/" + version + "/Clean/RELEASE/BoringSSL\"\n"
	require.NoError(t, os.WriteFile(file, []byte(script), 0o700)) //nolint:gosec // a program
	return file
}

func TestFindOrder(t *testing.T) {
	dir := t.TempDir()
	explicit := fakeEnvoy(t, filepath.Join(dir, "mine"), "1.38.2")
	onPath := fakeEnvoy(t, filepath.Join(dir, "bin", "envoy"), "1.41.0-dev")
	cached := fakeEnvoy(t, envoy.CachePath(filepath.Join(dir, "cache")), "1.40.0")
	opts := envoy.FindOptions{
		Explicit: explicit,
		Path:     filepath.Join(dir, "empty") + string(os.PathListSeparator) + filepath.Dir(onPath),
		CacheDir: filepath.Join(dir, "cache"),
	}

	b, err := envoy.Find(t.Context(), opts)
	require.NoError(t, err)
	assert.Equal(t, envoy.Binary{Path: explicit, Version: envoy.Version{Major: 1, Minor: 38, Patch: 2}, Source: envoy.FromFlag}, b)
	assert.Contains(t, b.Warning(), "Envoy 1.38.2")

	opts.Explicit = ""
	b, err = envoy.Find(t.Context(), opts)
	require.NoError(t, err)
	assert.Equal(t, onPath, b.Path)
	assert.Equal(t, "1.41.0-dev", b.Version.String())
	assert.NotEmpty(t, b.Warning())

	opts.Path = ""
	b, err = envoy.Find(t.Context(), opts)
	require.NoError(t, err)
	assert.Equal(t, cached, b.Path)
	assert.Equal(t, envoy.FromCache, b.Source)
	assert.Empty(t, b.Warning())

	opts.CacheDir = filepath.Join(dir, "none")
	_, err = envoy.Find(t.Context(), opts)
	require.ErrorIs(t, err, envoy.ErrNotFound)
	require.ErrorContains(t, err, "make envoy")
	require.ErrorContains(t, err, "--envoy")
}

func TestFindErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := envoy.Find(t.Context(), envoy.FindOptions{Explicit: fakeEnvoy(t, filepath.Join(dir, "old"), "1.37.9")})
	require.ErrorIs(t, err, envoy.ErrTooOld)
	require.ErrorContains(t, err, "squall needs 1.38 or later")

	_, err = envoy.Find(t.Context(), envoy.FindOptions{Explicit: fakeEnvoy(t, filepath.Join(dir, "odd"), "odd")})
	require.ErrorContains(t, err, "does not answer --version as Envoy does")

	_, err = envoy.Find(t.Context(), envoy.FindOptions{Explicit: filepath.Join(dir, "absent"), CacheDir: dir})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "--envoy")
}
