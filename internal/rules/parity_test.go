package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var parityRow = regexp.MustCompile("(?m)^\\| [A-Z]-\\d+ \\| .* \\| \\[([a-z-]+)\\]\\(\\.\\./scenarios/catalog/([a-z-]+)/README\\.md\\) \\| `([a-z0-9-]+)` \\|$")

// TestParity holds that each row of docs/parity.md names a scenario and one of its mutants, and that no scenario is missing.
func TestParity(t *testing.T) {
	text := read(t, "docs/parity.md")
	shown := map[string]bool{}
	for _, m := range parityRow.FindAllStringSubmatch(text, -1) {
		require.Equal(t, m[1], m[2])
		shown[m[1]] = true
		require.Regexp(t, `(?m)^  - name: `+m[3]+`$`, read(t, filepath.Join("scenarios", "catalog", m[1], "mutants.yaml")), m[1])
	}
	folders, err := os.ReadDir(filepath.Join(root, "scenarios", "catalog"))
	require.NoError(t, err)
	for _, f := range folders {
		if f.IsDir() {
			require.True(t, shown[f.Name()], "docs/parity.md says nothing of %s", f.Name())
		}
	}
}
