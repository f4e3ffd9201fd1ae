package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
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
