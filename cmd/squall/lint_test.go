package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/lint"
)

func TestLintPage(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "lint.md")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(lintPage()), 0o644)) //nolint:gosec // a document
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, lintPage(), string(got), "docs/lint.md is out of date: go test ./cmd/squall -run TestLintPage -update")
}

// The scenario pitfalls has the rules that lint warns of, no more and no less: what lint says and what Envoys do is about the same text.
func TestPitfallsAreWhatLintFinds(t *testing.T) {
	const rules = "../../scenarios/catalog/pitfalls/rules.yaml"
	out, _ := exec.Command(program(t), "lint", "--app", "backend", "--call", "backend-v2:backend", "--call", "backend-v3:backend", rules).CombinedOutput()
	found := regexp.MustCompile(`(?m) \[([A-Z0-9-]+)\]$`).FindAllStringSubmatch(string(out), -1)
	var codes, shown []string
	for _, m := range found {
		codes = append(codes, m[1])
	}
	for _, r := range slices.Concat(lint.All(), lint.Read()) {
		if r.Scenario == "pitfalls" {
			shown = append(shown, r.Code)
		}
	}
	slices.Sort(codes)
	slices.Sort(shown)
	require.Equal(t, shown, slices.Compact(codes), "%s", out)
}
