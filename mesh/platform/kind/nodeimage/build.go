package nodeimage

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// DefaultTag names the image if nobody says otherwise.
const DefaultTag = "squall/node:dev"

// The releases that go into an image. Kind is the one that this program creates clusters with.
const (
	Kubernetes = "v1.34.4"
	Kind       = "v0.33.0"

	etcd       = "v3.6.4"
	coredns    = "v1.12.4"
	cniPlugins = "v1.9.1"
)

//go:embed files
var files embed.FS

// Options of Build.
type Options struct {
	// Dir gets what is made on the way: 2 GB, and as much again where programs are built. What an earlier build left there is used again. It must
	// be on a file system that takes devices and programs.
	Dir string
	// Programs is an archive of the programs, in any form that tar reads, with their names alone as paths: that of Dir/programs after an earlier
	// build. Empty builds them, which takes some ten minutes and 3.5 GB of Go's build cache.
	Programs string
	// Tag names the image; empty is DefaultTag.
	Tag string
	// Progress takes a line for each step; nil discards.
	Progress func(string)
}

// build is one in progress.
type build struct {
	Options

	begin time.Time
	// kindFiles are those of kind's base image.
	kindFiles string
}

// Build writes the image's archive, as docker load takes it, and gives its path. It needs root on Linux, Go, and a few programs of Debian, which
// an error names.
func Build(ctx context.Context, o Options) (archive string, err error) {
	if o.Tag == "" {
		o.Tag = DefaultTag
	}
	if err := check(o.Programs == ""); err != nil {
		return "", err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil { //nolint:gosec // the trees in it are for all users of a node
		return "", err
	}
	b := &build{Options: o, begin: time.Now()}
	if b.kindFiles, err = b.moduleDir(ctx, "sigs.k8s.io/kind@"+Kind, "images/base/files"); err != nil {
		return "", err
	}
	g, making := errgroup.WithContext(ctx)
	g.Go(func() error { return b.debian(making) })
	g.Go(func() error { return b.programs(making) })
	if err := g.Wait(); err != nil {
		return "", err
	}
	if err := b.controlPlane(ctx); err != nil {
		return "", err
	}
	return b.node(ctx)
}

// check tells what a machine lacks, all at once.
func check(building bool) error {
	if runtime.GOOS != "linux" {
		return errors.New("images of nodes are built on Linux")
	}
	var errs []error
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("the trees of an image belong to root: run it as root"))
	}
	needed := map[string]string{"debootstrap": "debootstrap", "chroot": "coreutils", "unshare": "util-linux", "tar": "tar", "bash": "bash", "go": ""}
	if building {
		needed["gcc"] = "gcc libc6-dev"
	}
	var packages []string
	for program, of := range needed {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if of == "" {
			errs = append(errs, errors.New("the program go is missing: it knows where modules are"))
			continue
		}
		packages = append(packages, of)
	}
	if len(packages) > 0 {
		slices.Sort(packages)
		errs = append(errs, fmt.Errorf("programs are missing: apt-get install %s", strings.Join(packages, " ")))
	}
	return errors.Join(errs...)
}

// say tells of a step.
func (b *build) say(format string, args ...any) {
	if b.Progress != nil {
		b.Progress(fmt.Sprintf("%5.0fs  ", time.Since(b.begin).Seconds()) + fmt.Sprintf(format, args...))
	}
}

// path is one of the build's own.
func (b *build) path(elements ...string) string {
	return filepath.Join(append([]string{b.Dir}, elements...)...)
}

// script runs one of the files with arguments. What it says goes to a log, whose end comes with an error.
func (b *build) script(ctx context.Context, name string, args ...string) error {
	text, err := files.ReadFile("files/" + name + ".sh")
	if err != nil {
		return err
	}
	_, err = b.run(ctx, name, append([]string{"bash", "-euo", "pipefail", "-c", string(text), name}, args...)...)
	return err
}

// run gives what a program prints; all that it says is in the log of the step.
func (b *build) run(ctx context.Context, step string, command ...string) (string, error) {
	log, err := os.Create(b.path(step + ".log"))
	if err != nil {
		return "", err
	}
	defer func() { _ = log.Close() }()
	var out strings.Builder
	c := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // programs of the recipe
	c.Dir, c.Stderr, c.Stdout = b.Dir, log, &tee{log, &out}
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		said, _ := os.ReadFile(log.Name())
		lines := strings.Split(strings.TrimSpace(string(said)), "\n")
		return "", fmt.Errorf("%s: %w; its last lines, all are in %s:\n    %s", step, err, log.Name(), strings.Join(lines[max(0, len(lines)-8):], "\n    "))
	}
	return out.String(), nil
}

// tee writes to a file and to a text.
type tee struct {
	log  *os.File
	text *strings.Builder
}

func (t *tee) Write(b []byte) (int, error) {
	t.text.Write(b)
	return t.log.Write(b)
}

// moduleDir gives a folder of a Go module, which is fetched if it is not there.
func (b *build) moduleDir(ctx context.Context, module, within string) (string, error) {
	out, err := b.run(ctx, "module", "go", "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	return dirOf(out, within)
}
