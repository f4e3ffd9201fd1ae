package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// typed is a command of the workshop, and parts of what must come back, in this order.
type typed struct {
	lesson, command string
	parts           []string
}

var console = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")

// lessons reads all commands of the workshop.
func lessons(t *testing.T) []typed {
	t.Helper()
	pages, err := filepath.Glob("../../docs/workshop/[0-9]*.md")
	require.NoError(t, err)
	require.Len(t, pages, 6)
	var out []typed
	for _, page := range pages {
		data, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, block := range console.FindAllStringSubmatch(string(data), -1) {
			for line := range strings.Lines(block[1]) {
				line = strings.TrimRight(line, "\n")
				if command, ok := strings.CutPrefix(line, "$ "); ok {
					out = append(out, typed{lesson: filepath.Base(page), command: command})
					continue
				}
				require.NotEmpty(t, out)
				last := &out[len(out)-1]
				last.parts = append(last.parts, line)
			}
		}
	}
	return out
}

// TestWorkshop types all commands in one shell, in the root of the repository.
func TestWorkshop(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the lessons need curl")
	}
	tmp, err := os.MkdirTemp("", "sq") //nolint:usetesting // short paths for sockets
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	list := lessons(t)
	var script strings.Builder
	for i, l := range list {
		fmt.Fprintf(&script, "%s\necho '@@%d'\n", l.command, i)
	}
	script.WriteString("exit 0\n")
	cmd := exec.Command("bash", "-c", script.String())
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "PATH="+filepath.Dir(program(t))+":"+os.Getenv("PATH"))
	t.Cleanup(func() { // whatever happened, the mesh of the lessons goes
		down := exec.Command(program(t), "down")
		down.Env = cmd.Env
		_ = down.Run()
	})
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	rest := string(out)
	for i, l := range list {
		said, after, ok := strings.Cut(rest, fmt.Sprintf("@@%d\n", i))
		require.True(t, ok, "%s: $ %s", l.lesson, l.command)
		rest = after
		for _, part := range l.parts {
			_, behind, ok := strings.Cut(said, part)
			require.True(t, ok, "%s: $ %s\nlacks %q in what is left of its output:\n%s", l.lesson, l.command, part, said)
			said = behind
		}
	}
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
