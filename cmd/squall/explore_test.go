package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/scenarios/virtual"
)

// Both faults that Bookinfo is known to have are found with its shipped rules: productpage waits three seconds twice where reviews waits
// ten, and its second try is a storm that outlasts its cause once ratings can do only so much.
func TestExploreFindsWhatIsWrongWithBookinfo(t *testing.T) {
	examples := filepath.Join("..", "..", "scenarios", "explore", "examples")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"slow-ratings": {[]string{"--kinds", "delay"}, `delay calls to ratings by 3\.\d+s, from 0s on for \d`},
		"busy-ratings": {[]string{"--kinds", "delay,pause", "--from", "1s", "--to", "8s", "--longest", "3s"}, `pause \w+-v\d, from 1s on for \d`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			out := t.TempDir()
			args := append([]string{"explore", "--findings", "1", "--out", out}, c.args...)
			e := &environment{args: append(args, filepath.Join(examples, name, "scenario.yaml")), stdout: &stdout, stderr: &stderr, tempDir: t.TempDir()}
			require.Equal(t, exitFail, run(e), stderr.String())
			require.Regexp(t, c.want, stdout.String())
			j, problems := loadScenario(e, filepath.Join(out, name+"-found-1", "scenario.yaml"))
			require.NoError(t, problems.Err())
			require.LessOrEqual(t, len(j.file.Spec.Timeline), 2, "one fault, and the phase after it")
			require.Empty(t, virtual.Refused(j.file, j.app))
		})
	}
}
