package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/proc"
)

// builtinApps are the App files that come with the program.
var builtinApps = map[string]string{
	"bookinfo": "app.yaml", "bookinfo-variants": "variants.app.yaml", "bookinfo-busy": "busy.app.yaml", "backend": "backend.app.yaml", "tcp-echo": "tcp-echo.app.yaml",
}

// loadApp finds an app by its built-in name, or by its file's path; dir is the folder in which its processes run.
func loadApp(name string) (app *config.App, dir string, err error) {
	return loadEditedApp(name, ".", anywhere{})
}

// loadEditedApp does so with edits of its files.
func loadEditedApp(name, relativeTo string, files anywhere) (app *config.App, dir string, err error) {
	var problems diag.List
	if file, ok := builtinApps[name]; ok {
		app, problems = config.ParseApp(editedFS{bookinfo.Files, files}, file)
		dir = os.TempDir()
	} else {
		path := appName(name, relativeTo)
		dir = filepath.Dir(path)
		app, problems = config.ParseApp(editedFS{os.DirFS(dir), files}, filepath.Base(path))
	}
	return app, dir, problems.Err()
}

// appName tells apps apart from wherever they are named: the name of a built-in app, or the absolute path of an App file.
func appName(app, relativeTo string) string {
	if _, builtin := builtinApps[app]; builtin {
		return app
	}
	if !filepath.IsAbs(app) {
		app = filepath.Join(relativeTo, app)
	}
	if abs, err := filepath.Abs(app); err == nil {
		return abs
	}
	return app
}

// findEnvoy finds the proxy's program.
func findEnvoy(ctx context.Context, env *environment, explicit string) (envoy.Binary, error) {
	b, err := envoy.Find(ctx, envoy.FindOptions{Explicit: explicit, Beside: filepath.Dir(env.self), Path: env.getenv("PATH"), CacheDir: env.cacheDir})
	if err != nil {
		return b, broken(err)
	}
	if w := b.Warning(); w != "" {
		_, _ = fmt.Fprintln(env.stderr, "warning:", w)
	}
	return b, nil
}

// newOwner makes the owner of a lab's processes and its folder, which both go with this program, however it ends.
func newOwner(env *environment) (*proc.Owner, string, error) {
	owner, err := proc.NewOwner(proc.Options{Watchdog: []string{env.self, "watchdog"}})
	if err != nil {
		return nil, "", broken(err)
	}
	in := env.tempDir
	if env.outside != nil {
		in = env.outside.dir // it goes even if nobody in here can see to that
	}
	dir, err := os.MkdirTemp(in, "squall-")
	if err != nil {
		return nil, "", broken(fmt.Errorf("folder of the lab: %w", err))
	}
	if err := owner.RemoveAtEnd(dir); err != nil {
		return nil, "", broken(err)
	}
	return owner, dir, nil
}

// appEnvironment is what apps get of the user's environment: enough to run, and nothing secret.
func appEnvironment(env *environment) []string {
	var out []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG"} {
		if v := env.getenv(name); v != "" {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// readRules reads files and folders of rules.
func readRules(paths []string) ([]config.File, error) {
	var out []config.File
	var problems diag.List
	for _, path := range paths {
		names := []string{path}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			names, _ = filepath.Glob(filepath.Join(path, "*.yaml"))
		}
		for _, name := range names {
			data, err := os.ReadFile(name) //nolint:gosec // the user names the file
			if err != nil {
				problems.Errorf("NO-FILE", diag.Pos{File: name}, "the file cannot be read: %v", err)
				continue
			}
			out = append(out, config.File{Name: name, Data: data})
		}
	}
	return out, problems.Err()
}
