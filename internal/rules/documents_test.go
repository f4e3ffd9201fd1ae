package rules

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/scenarios/spec"
)

var root = filepath.Join("..", "..")

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(data)
}

// documents are what people read, by their path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/workshop/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, f := range found {
			name, err := filepath.Rel(root, f)
			require.NoError(t, err)
			out[name] = read(t, name)
		}
	}
	require.Contains(t, out, "README.md")
	return out
}

// builtin are the App files that come with squall.
var builtin = map[string]string{"bookinfo": "app.yaml", "backend": "backend.app.yaml", "tcp-echo": "tcp-echo.app.yaml"}

// block is a fenced YAML block; the words before it may end with its name in code quotes and a colon.
var block = regexp.MustCompile("(?ms)(?:`([\\w./-]+)`[^`\n]*:\n\n)?^```yaml\n(.*?)^```$")

// TestDocumentsYAML reads all YAML that documents show, as `squall run --dry-run` does.
func TestDocumentsYAML(t *testing.T) {
	scenarios := 0
	for name, text := range documents(t) {
		files := fstest.MapFS{}
		for _, b := range block.FindAllStringSubmatch(text, -1) {
			if b[1] != "" {
				files[b[1]] = &fstest.MapFile{Data: []byte(b[2])}
			}
		}
		for _, b := range block.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(b[2], "\nkind: Scenario\n") {
				continue
			}
			scenarios++
			f, problems := spec.Parse(config.File{Name: name, Data: []byte(b[2])}, files, ".", "")
			require.Empty(t, problems.Text())
			var from fs.FS = files
			file := f.Spec.App
			if known, ok := builtin[file]; ok {
				from, file = bookinfo.Files, known
			}
			app, problems := config.ParseApp(from, file)
			require.Empty(t, problems.Text())
			docs, problems := config.Parse(slices.Concat(app.Manifests, f.Rules)...)
			_, more := config.Build(config.Set{}.With(docs...), model.Snapshot{}, nil)
			problems.Add(more...)
			require.Empty(t, problems.Text())
		}
	}
	require.GreaterOrEqual(t, scenarios, 3)
}

var (
	makeUse   = regexp.MustCompile("(?:`|^|: )make ([a-z][a-z -]*[a-z])")
	makeRule  = regexp.MustCompile(`(?m)^([a-z-]+):`)
	squallUse = regexp.MustCompile("(?:`|bin/)squall ([a-z-]+)")
	cobraUse  = regexp.MustCompile(`Use:\s+"([a-z-]+)`)
	link      = regexp.MustCompile(`\]\(([^)#:]+)\)`)
)

// TestDocumentsCommands holds that what documents, the workflow and the CI script call exists.
func TestDocumentsCommands(t *testing.T) {
	targets := map[string]bool{}
	for _, m := range makeRule.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets[m[1]] = true
	}
	commands := map[string]bool{"completion": true, "help": true}
	sources, err := filepath.Glob(filepath.Join(root, "cmd", "squall", "*.go"))
	require.NoError(t, err)
	for _, s := range sources {
		data, err := os.ReadFile(s)
		require.NoError(t, err)
		for _, m := range cobraUse.FindAllStringSubmatch(string(data), -1) {
			commands[m[1]] = true
		}
	}
	texts := documents(t)
	texts[".ci/run"] = read(t, ".ci/run")
	texts[".github/workflows/resilience.yml"] = read(t, ".github/workflows/resilience.yml")
	used := 0
	for name, text := range texts {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			for _, m := range makeUse.FindAllStringSubmatch(line, -1) {
				for target := range strings.FieldsSeq(m[1]) {
					used++
					require.True(t, targets[target], "%s says make %s; the Makefile does not know %q", name, m[1], target)
				}
			}
			for _, m := range squallUse.FindAllStringSubmatch(line, -1) {
				used++
				require.True(t, commands[m[1]], "%s says squall %s, which is no command", name, m[1])
			}
		}
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join(root, filepath.Dir(name), m[1]))
			require.NoError(t, err, "%s links to %s", name, m[1])
		}
	}
	require.Greater(t, used, 10)
}

// TestDocumentsPaths holds that files which documents name in code quotes exist.
func TestDocumentsPaths(t *testing.T) {
	path := regexp.MustCompile("`((?:mesh|scenarios|bookinfo|loadgen|reports|cmd|internal)/[\\w./-]+)`")
	for name, text := range documents(t) {
		for _, m := range path.FindAllStringSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join(root, m[1]))
			require.NoError(t, err, "%s names %s", name, m[1])
		}
	}
}
