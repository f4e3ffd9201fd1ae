// Package image writes the container image of labs: this program, an Envoy, and the libraries that the two need. It needs no Docker and
// runs nothing.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Repository is the image's name. No registry has it.
const Repository = "squall.dev/lab"

// Image is one that can be written.
type Image struct {
	// Reference names it: the same programs have the same name.
	Reference string

	files map[string]string
	dirs  []string
}

// New describes the image with programs by their paths in it, and folders that everybody may write to. The programs must be of this machine's kind, for Linux.
func New(programs map[string]string, dirs ...string) (*Image, error) {
	i := &Image{files: maps.Clone(programs), dirs: dirs}
	for _, to := range slices.Sorted(maps.Keys(programs)) {
		if err := i.libraries(programs[to]); err != nil {
			return nil, err
		}
	}
	sum := sha256.New()
	_, _ = fmt.Fprintln(sum, dirs)
	for _, to := range slices.Sorted(maps.Keys(i.files)) {
		info, err := os.Stat(i.files[to])
		if err != nil {
			return nil, fmt.Errorf("image: %w", err)
		}
		// Reading hundreds of megabytes at every start would take longer than all else.
		_, _ = fmt.Fprintln(sum, to, info.Size(), info.ModTime().UnixNano())
	}
	i.Reference = Repository + ":" + hex.EncodeToString(sum.Sum(nil))[:16]
	return i, nil
}

// libraryDirs are where the dynamic loaders of Linux distributions look by themselves.
func libraryDirs() []string {
	triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	return []string{"/lib/" + triplet, "/usr/lib/" + triplet, "/lib64", "/usr/lib64", "/lib", "/usr/lib"}
}

// libraries adds what a program is linked with, and what that is.
func (i *Image) libraries(program string) error {
	f, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("%s is no program for Linux, which containers run: %w", program, err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		loader, err := io.ReadAll(p.Open())
		if err != nil {
			return fmt.Errorf("%s: %w", program, err)
		}
		at := string(bytes.TrimRight(loader, "\x00"))
		i.files[at] = at
	}
	names, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	for _, n := range names {
		at, err := findLibrary(n)
		if err != nil {
			return fmt.Errorf("%s needs the library %s: %w", program, n, err)
		}
		if i.files[at] != "" {
			continue
		}
		i.files[at] = at
		if err := i.libraries(at); err != nil {
			return err
		}
	}
	return nil
}

func findLibrary(name string) (string, error) {
	for _, dir := range libraryDirs() {
		at := filepath.Join(dir, name)
		if _, err := os.Stat(at); err == nil {
			return at, nil
		}
	}
	return "", fmt.Errorf("it is in none of %v", libraryDirs())
}

// Write writes an archive as docker load and containerd read it. The image goes by the other names too.
func (i *Image) Write(w io.Writer, others ...string) error {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		r, in := io.Pipe()
		go func() { _ = in.CloseWithError(i.pack(in)) }()
		return r, nil
	}, tarball.WithCompression(compression.None))
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = v1.Config{Entrypoint: []string{"squall"}, Env: []string{"PATH=/usr/local/bin"}, WorkingDir: "/"}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	refs := map[name.Reference]v1.Image{}
	for _, n := range append([]string{i.Reference}, others...) {
		ref, err := name.NewTag(n)
		if err != nil {
			return fmt.Errorf("image: %w", err)
		}
		refs[ref] = img
	}
	if err := tarball.MultiRefWrite(refs, w); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return nil
}

// pack writes the layer.
func (i *Image) pack(w io.Writer) error {
	t := tar.NewWriter(w)
	made := map[string]bool{"/": true}
	dir := func(at string, mode int64) error {
		made[at] = true
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: at[1:] + "/", Mode: mode})
	}
	var parents func(at string) error
	parents = func(at string) error {
		if made[at] {
			return nil
		}
		if err := parents(path.Dir(at)); err != nil {
			return err
		}
		return dir(at, 0o755)
	}
	for _, at := range append([]string{"/tmp"}, i.dirs...) {
		if err := parents(path.Dir(at)); err != nil {
			return err
		}
		if err := dir(at, 0o1777); err != nil {
			return err
		}
	}
	for _, to := range slices.Sorted(maps.Keys(i.files)) {
		if err := parents(path.Dir(to)); err != nil {
			return err
		}
		if err := add(t, to, i.files[to]); err != nil {
			return err
		}
	}
	return t.Close()
}

func add(t *tar.Writer, to, from string) error {
	f, err := os.Open(from) //nolint:gosec // a program of the user's, or its library
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: to[1:], Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	n, err := io.Copy(t, f)
	if err == nil && n != info.Size() {
		err = errors.New("it changed meanwhile")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}
