package main

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/spec"
)

var update = flag.Bool("update", false, "rewrite docs/reference")

func TestReference(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "reference")
	env := &environment{args: []string{"docs", dir}, stdout: os.Stderr, stderr: os.Stderr}
	if *update {
		require.Zero(t, run(env))
	}
	pages, err := referencePages(env)
	require.NoError(t, err)
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, want, string(got), "docs/reference/%s is out of date: go test ./cmd/squall -run TestReference -update", name)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, len(pages))
}

func TestReferenceIsComplete(t *testing.T) {
	docs, err := specDocs()
	require.NoError(t, err)
	var faults, checks []string
	for _, e := range faultExamples() {
		faults = append(faults, e.kind)
		_, problems := spec.Parse(config.File{Name: "example", Data: []byte(exampleScenario(e.text, ""))}, fstest.MapFS{}, ".", ".")
		require.Empty(t, problems, e.text)
	}
	for _, e := range checkExamples() {
		checks = append(checks, e.kind)
		f, problems := spec.Parse(config.File{Name: "example", Data: []byte(exampleScenario("", e.text))}, fstest.MapFS{}, ".", ".")
		require.Empty(t, problems, e.text)
		require.Equal(t, []string{e.kind}, f.Spec.Checks[0].Kinds())
	}
	var kinds []string
	for _, f := range fieldsOf(reflect.TypeFor[spec.Fault](), docs) {
		kinds = append(kinds, f.name)
	}
	require.ElementsMatch(t, kinds, faults)
	require.ElementsMatch(t, assert.Kinds(), checks)

	known := map[string]bool{"name": true, "phase": true, "profile": true}
	for _, kind := range checks {
		known[kind] = true
		for _, f := range beside[kind] {
			known[f] = true
		}
	}
	for _, f := range fieldsOf(reflect.TypeFor[spec.Check](), docs) {
		require.True(t, known[f.name], "%s is in no table of checks", f.name)
	}
	for name, d := range docs {
		for f, text := range d.fields {
			require.NotEmpty(t, text, "%s.%s has no comment, from which its documents are made", name, f)
		}
	}
}
