package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"squall": func() {
		env := osEnvironment()
		// The test program is squall only under that name, which its parts must be started by as well.
		if self, err := exec.LookPath(os.Args[0]); err == nil {
			if env.self, err = filepath.Abs(self); err != nil {
				env.self = self
			}
		}
		os.Exit(run(env))
	}})
}

// The stories of the command line.
func TestScripts(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CACHE_HOME", cache)
			e.Setenv("ROOT", root)
			// Sockets need short paths.
			tmp, err := os.MkdirTemp("", "sq") //nolint:usetesting // short paths for sockets, and shared by tests
			e.Setenv("TMPDIR", tmp)
			e.Defer(func() {
				left, _ := filepath.Glob(filepath.Join(tmp, "*"))
				if len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
				_ = os.RemoveAll(tmp)
			})
			return err
		},
		Condition: func(name string) (bool, error) {
			commands := map[string][]string{"pods": {"squall", "pod-check"}, "userns": {"unshare", "-Ur", "true"}}
			command, ok := commands[name]
			if !ok {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return exec.Command(command[0], command[1:]...).Run() == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code},
	})
}

// code runs squall and compares its exit code: code 3 run bad.yaml.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N ARGS...")
	}
	want := args[0]
	got := "0"
	if err := ts.Exec("squall", args[1:]...); err != nil {
		got = exitStatus(err)
	}
	if got != want {
		ts.Fatalf("squall %v: exit code %s, want %s", args[1:], got, want)
	}
}

func exitStatus(err error) string {
	if e, ok := err.(*exec.ExitError); ok { //nolint:errorlint // testscript gives it as it is
		return itoa(e.ExitCode())
	}
	return err.Error()
}
