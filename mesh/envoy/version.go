package envoy

import (
	"fmt"
	"regexp"
	"strconv"
)

// The versions of Envoy that squall knows.
const (
	PinnedVersion = "1.40.0" // installed by Install; what squall was measured with
	minimumMinor  = 38       // 1.38: below, cluster.upstream_rq_active_overflow does not exist
	pinnedMinor   = 40
)

// Version is a version of Envoy. The zero value means unknown.
type Version struct {
	Major, Minor, Patch int
	Suffix              string // "-dev" of a build between releases
}

// String returns for instance "1.40.0" or "1.41.0-dev".
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d%s", v.Major, v.Minor, v.Patch, v.Suffix)
}

// Envoy prints "envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL".
var versionPattern = regexp.MustCompile(`version: [^/\s]+/(\d+)\.(\d+)\.(\d+)(-[\w.]+)?/`)

// parseVersion reads the output of `envoy --version`.
func parseVersion(output []byte) (Version, error) {
	m := versionPattern.FindSubmatch(output)
	if m == nil {
		return Version{}, fmt.Errorf("it does not answer --version as Envoy does, but: %.200q", output)
	}
	var v Version
	for i, field := range []*int{&v.Major, &v.Minor, &v.Patch} {
		n, err := strconv.Atoi(string(m[i+1]))
		if err != nil {
			return Version{}, fmt.Errorf("its version %q: %w", m[0], err)
		}
		*field = n
	}
	v.Suffix = string(m[4])
	return v, nil
}

func (v Version) tooOld() bool { return v.Major < 1 || v.Major == 1 && v.Minor < minimumMinor }
