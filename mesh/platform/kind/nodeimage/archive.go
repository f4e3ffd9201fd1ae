package nodeimage

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sys/unix"
)

// writeImage writes a tree as an image of one layer, under several names.
func writeImage(file, tree string, config v1.Config, tags ...string) error {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { _ = w.CloseWithError(pack(w, tree)) }()
		return r, nil
	}, tarball.WithCompression(compression.None))
	if err != nil {
		return fmt.Errorf("image of %s: %w", tree, err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return fmt.Errorf("image of %s: %w", tree, err)
	}
	about, err := image.ConfigFile()
	if err != nil {
		return fmt.Errorf("image of %s: %w", tree, err)
	}
	about = about.DeepCopy()
	about.OS, about.Architecture, about.Config = "linux", runtime.GOARCH, config
	if image, err = mutate.ConfigFile(image, about); err != nil {
		return fmt.Errorf("image of %s: %w", tree, err)
	}
	refs := map[name.Reference]v1.Image{}
	for _, t := range tags {
		ref, err := name.NewTag(t)
		if err != nil {
			return fmt.Errorf("image of %s: %w", tree, err)
		}
		refs[ref] = image
	}
	if err := tarball.MultiRefWriteToFile(file, refs); err != nil {
		return fmt.Errorf("image of %s: %w", tree, err)
	}
	return nil
}

// capability is the only extended attribute that programs of a tree may have.
const capability = "security.capability"

// pack writes a tree as it is: links, hard ones too, devices, owners, modes, and the capabilities of programs. Sockets are left out.
func pack(w io.Writer, tree string) error {
	out := tar.NewWriter(w)
	first := map[uint64]string{}
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == tree || d.Type()&fs.ModeSocket != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := ""
		if d.Type()&fs.ModeSymlink != 0 {
			if target, err = os.Readlink(path); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, target)
		if err != nil {
			return err
		}
		if h.Name, err = filepath.Rel(tree, path); err != nil {
			return err
		}
		h.Uname, h.Gname, h.Format = "", "", tar.FormatPAX
		h.AccessTime, h.ChangeTime = time.Time{}, time.Time{} // reading the tree changes them
		if d.IsDir() {
			h.Name += "/"
		}
		if !d.Type().IsRegular() {
			return out.WriteHeader(h)
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Nlink > 1 {
			if first[s.Ino] != "" {
				h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first[s.Ino], 0
				return out.WriteHeader(h)
			}
			first[s.Ino] = h.Name
		}
		value := make([]byte, 64)
		if n, err := unix.Lgetxattr(path, capability, value); err == nil && n > 0 {
			h.PAXRecords = map[string]string{"SCHILY.xattr." + capability: string(value[:n])}
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		return content(out, path)
	})
	if err != nil {
		return err
	}
	return out.Close()
}

func content(w io.Writer, path string) error {
	f, err := os.Open(path) //nolint:gosec // of a tree of ours
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(w, f)
	return err
}
