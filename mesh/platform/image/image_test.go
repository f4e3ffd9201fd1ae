package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/platform/image"
)

// The image of a program that is linked with libraries holds these too, as a container needs them.
func TestImage(t *testing.T) {
	i, err := image.New(map[string]string{"/usr/local/bin/tool": "/bin/ls"}, "/run/tool")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("there is no /bin/ls")
	}
	require.NoError(t, err)
	again, err := image.New(map[string]string{"/usr/local/bin/tool": "/bin/ls"}, "/run/tool")
	require.NoError(t, err)
	require.Equal(t, i.Reference, again.Reference, "the same programs have the same name")
	other, err := image.New(map[string]string{"/usr/local/bin/tool": "/bin/cat"}, "/run/tool")
	require.NoError(t, err)
	require.NotEqual(t, i.Reference, other.Reference)

	file := filepath.Join(t.TempDir(), "image.tar")
	f, err := os.Create(file)
	require.NoError(t, err)
	require.NoError(t, i.Write(f))
	require.NoError(t, f.Close())
	tag, err := name.NewTag(i.Reference)
	require.NoError(t, err)
	read, err := tarball.ImageFromPath(file, &tag)
	require.NoError(t, err)

	tree := mutate.Extract(read)
	defer func() { _ = tree.Close() }()
	got := map[string]*tar.Header{}
	var tool bytes.Buffer
	for r := tar.NewReader(tree); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		got["/"+filepath.Clean(h.Name)] = h
		if h.Name == "usr/local/bin/tool" {
			_, err = io.Copy(&tool, r) //nolint:gosec // our own
			require.NoError(t, err)
		}
	}
	want, err := os.ReadFile("/bin/ls")
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, tool.Bytes()), "the program is whole")
	require.EqualValues(t, 0o1777, got["/run/tool"].Mode&0o7777)
	libraries := 0
	for at := range got {
		if filepath.Base(at) == "libc.so.6" {
			libraries++
		}
	}
	require.Equal(t, 1, libraries)
}

func TestNoProgramForContainers(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600))
	_, err := image.New(map[string]string{"/bin/script": script})
	require.ErrorContains(t, err, "is no program for Linux")
	_, err = image.New(map[string]string{"/bin/none": filepath.Join(t.TempDir(), "none")})
	require.ErrorIs(t, err, os.ErrNotExist)
}
