package envoy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// versionTimeout bounds `envoy --version`. It takes 0.1 s; 100 MB from a cold disk take longer.
const versionTimeout = 20 * time.Second

// ErrNotFound is returned by [Find] when there is no Envoy in any of the places.
var ErrNotFound = errors.New("no Envoy found")

// ErrTooOld is returned by [Find] for an Envoy below 1.38.
var ErrTooOld = errors.New("too old")

// Source tells where a binary was found.
type Source string

// The sources, in the order in which [Find] looks.
const (
	FromFlag   Source = "--envoy"
	FromBeside Source = "beside squall"
	FromPath   Source = "PATH"
	FromCache  Source = "cache"
)

// Binary is an Envoy that ran and told its version.
type Binary struct {
	Path    string // absolute
	Version Version
	Source  Source
}

// Warning is what every report says about a version that squall was not measured with; empty for the pinned minor version.
func (b Binary) Warning() string {
	if b.Version.Major == 1 && b.Version.Minor == pinnedMinor {
		return ""
	}
	return fmt.Sprintf("Envoy %s (%s) is not the version that squall was measured with (%s): names of statistics and the exact limits may differ",
		b.Version, b.Path, PinnedVersion)
}

// FindOptions say where to look.
type FindOptions struct {
	Explicit string // the value of --envoy; if not empty, nothing else is tried
	Beside   string // the folder of the program itself, where an unpacked archive has one; empty is not looked in
	Path     string // the value of PATH: a list of folders; empty folders in it are ignored
	CacheDir string // the folder that InstallOptions.CacheDir names; empty means no cache
}

// Find returns the first Envoy of: the explicit path, the one beside the program, PATH, the cache. The first that exists counts: if it cannot run or is
// below 1.38, that is an error, never a reason to take another.
func Find(ctx context.Context, opts FindOptions) (Binary, error) {
	if opts.Explicit != "" {
		return probe(ctx, opts.Explicit, FromFlag)
	}
	if file := filepath.Join(opts.Beside, "envoy"); opts.Beside != "" && executable(file) {
		return probe(ctx, file, FromBeside)
	}
	for _, dir := range filepath.SplitList(opts.Path) {
		if file := filepath.Join(dir, "envoy"); dir != "" && executable(file) {
			return probe(ctx, file, FromPath)
		}
	}
	if opts.CacheDir != "" {
		if file := CachePath(opts.CacheDir); executable(file) {
			return probe(ctx, file, FromCache)
		}
	}
	return Binary{}, fmt.Errorf("%w on PATH or in %q: install it with `make envoy`, or name one with --envoy PATH", ErrNotFound, opts.CacheDir)
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// probe runs the binary for its version.
func probe(ctx context.Context, file string, source Source) (Binary, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return Binary{}, fmt.Errorf("envoy %q: %w", file, err)
	}
	v, err := runVersion(ctx, path)
	if err != nil {
		return Binary{}, fmt.Errorf("envoy %q (%s): %w: name another with --envoy PATH", path, source, err)
	}
	if v.tooOld() {
		return Binary{}, fmt.Errorf("envoy %q (%s) is %s, which is %w: squall needs 1.%d or later: run `make envoy`, or name another with --envoy PATH",
			path, source, v, ErrTooOld, minimumMinor)
	}
	return Binary{Path: path, Version: v, Source: source}, nil
}

func runVersion(ctx context.Context, path string) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return Version{}, fmt.Errorf("it does not run: %w %.300s", err, out)
	}
	return parseVersion(out)
}
