package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
)

// The most that scenarios may knowingly not notice.
const mostUnseen = 0.05

// Of all mutants of the catalogue at most one in twenty is known to be unseen, each with a reason, and each file that is shared is one whose
// mutants some scenario has.
func TestFewMutantsAreUnseen(t *testing.T) {
	if testing.Short() {
		t.Skip("derives all mutants")
	}
	env := &environment{stdout: io.Discard, stderr: io.Discard}
	catalogue := filepath.Join("..", "..", "scenarios", "catalog")
	g, err := loadMutants(env, mutantsFlags{generated: 1, written: true}, []string{catalogue})
	require.NoError(t, err)
	for _, u := range g.unseen {
		require.NotEmpty(t, u.Reason, "%s: %s", u.Scenario, u.Mutant)
	}
	all := len(g.mutants) + len(g.unseen)
	t.Logf("%d mutants, %d unseen", all, len(g.unseen))
	require.LessOrEqual(t, float64(len(g.unseen)), mostUnseen*float64(all))
	names, err := filepath.Glob(filepath.Join(catalogue, "*", "mutants.yaml"))
	require.NoError(t, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		var file mutantFile
		_, problems := config.Decode(config.File{Name: name, Data: data}, "mutants", &file)
		require.NoError(t, problems.Err())
		for _, shared := range file.Shared {
			require.True(t, slices.ContainsFunc(g.mutants, func(m mutant) bool { return strings.HasPrefix(m.Name, shared+": ") }),
				"%s: no scenario has the mutants of %s", name, shared)
		}
	}
}
