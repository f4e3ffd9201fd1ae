package nodeimage

import (
	"archive/tar"
	"go/format"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

// An image has the files of the kind that makes clusters from it.
func TestKindIsTheOneThatMakesClusters(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	require.True(t, ok)
	for _, d := range info.Deps {
		if d.Path == "sigs.k8s.io/kind" {
			require.Equal(t, Kind, d.Version)
			return
		}
	}
	text, err := os.ReadFile("../../../../go.mod")
	require.NoError(t, err)
	require.Contains(t, string(text), "sigs.k8s.io/kind "+Kind+"\n")
}

func TestModuleFileHasThePublishedModules(t *testing.T) {
	const text = `module k8s.io/kubernetes

go 1.24.0

require k8s.io/api v0.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/cluster-bootstrap => ./staging/src/k8s.io/cluster-bootstrap
)
`
	got, err := moduleFile([]byte(text), "v1.34.4")
	require.NoError(t, err)
	require.Equal(t, `module squall.dev/node

go 1.24.0

require k8s.io/api v0.0.0

replace (
	k8s.io/api => k8s.io/api v0.34.4
	k8s.io/cluster-bootstrap => k8s.io/cluster-bootstrap v0.34.4
)
`, string(got))
	_, err = moduleFile([]byte("module k8s.io/kubernetes\n"), "v1.99.0")
	require.ErrorContains(t, err, "the module file of Kubernetes v1.99.0 is not as expected")
}

func TestProgramsKnowTheirRelease(t *testing.T) {
	flags := versionFlags("v1.34.4")
	for _, want := range []string{
		"-X k8s.io/component-base/version.gitVersion=v1.34.4", "-X k8s.io/component-base/version.gitMajor=1", "-X k8s.io/client-go/pkg/version.gitMinor=34",
	} {
		require.Contains(t, flags, want)
	}
}

const (
	listed = `registry.k8s.io/kube-apiserver:v1.34.4
registry.k8s.io/kube-controller-manager:v1.34.4
registry.k8s.io/kube-scheduler:v1.34.4
registry.k8s.io/kube-proxy:v1.34.4
registry.k8s.io/coredns/coredns:v1.12.1
registry.k8s.io/pause:3.10.1
registry.k8s.io/etcd:3.6.5-0
`
	containerd = "[plugins]\n  sandbox_image = \"registry.k8s.io/pause:3.10\"\n"
)

func TestImagesHaveTheNamesThatAreAskedFor(t *testing.T) {
	got, err := imageNames(listed, containerd)
	require.NoError(t, err)
	require.Len(t, got["kube"], 5)
	require.Contains(t, got["kube"], "registry.k8s.io/etcd:3.6.5-0")
	require.Equal(t, []string{"registry.k8s.io/coredns/coredns:v1.12.1"}, got["coredns"])
	require.Equal(t, []string{"registry.k8s.io/pause:3.10.1", "registry.k8s.io/pause:3.10"}, got["pause"])

	for wrong, c := range map[string][2]string{
		"kubeadm wants an image that is not known here: registry.k8s.io/conformance:v1": {listed + "registry.k8s.io/conformance:v1", containerd},
		"kubeadm wants 6 images, of 7 that are known here":                              {strings.Replace(listed, "registry.k8s.io/etcd:3.6.5-0\n", "", 1), containerd},
		"names no sandbox_image": {listed, "[plugins]\n"},
	} {
		_, err := imageNames(c[0], c[1])
		require.ErrorContains(t, err, wrong)
	}
}

// archive packs programs of no content.
func archive(t *testing.T, names ...string) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "programs.tar"))
	require.NoError(t, err)
	w := tar.NewWriter(file)
	for _, n := range names {
		require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "./" + n, Mode: 0o755}))
	}
	require.NoError(t, w.Close())
	require.NoError(t, file.Close())
	return file.Name()
}

func TestProgramsComeFromAnArchive(t *testing.T) {
	var steps []string
	b := &build{begin: time.Now(), Options: Options{Dir: t.TempDir(), Programs: archive(t, programNames()...), Progress: func(line string) { steps = append(steps, line[8:]) }}}
	require.NoError(t, b.programs(t.Context()))
	require.NoError(t, b.programs(t.Context()))
	require.Equal(t, []string{"the programs are unpacked", "the programs are there"}, steps)
}

func TestAnArchiveThatLacksProgramsIsRefused(t *testing.T) {
	b := &build{Options: Options{Dir: t.TempDir(), Programs: archive(t, "coredns", "pause", "host-local", "loopback", "portmap")}}
	require.ErrorContains(t, b.programs(t.Context()), "programs.tar: these programs are not in it: kube, ptp")
	b.Programs = filepath.Join(t.TempDir(), "nothing.tar")
	require.ErrorContains(t, b.programs(t.Context()), "nothing.tar: Cannot open: No such file or directory", "what tar says")
}

// A tree becomes an image as it is, and the same tree the same image.
func TestTreesBecomeImages(t *testing.T) {
	tree := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(tree, "usr/bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(tree, "usr/bin/kube"), []byte("program"), 0o600))
	require.NoError(t, os.Chmod(filepath.Join(tree, "usr/bin/kube"), 0o755|fs.ModeSetuid))
	require.NoError(t, os.Link(filepath.Join(tree, "usr/bin/kube"), filepath.Join(tree, "usr/bin/twin")))
	require.NoError(t, os.Symlink("usr/bin", filepath.Join(tree, "bin")))
	file := filepath.Join(t.TempDir(), "image.tar")
	config := v1.Config{Entrypoint: []string{"/bin/kube"}, StopSignal: "SIGRTMIN+3"}
	require.NoError(t, writeImage(file, tree, config, "squall/node:dev", "registry.k8s.io/etcd:3.6.5-0"))
	again := filepath.Join(t.TempDir(), "image.tar")
	require.NoError(t, writeImage(again, tree, config, "squall/node:dev"))

	image := func(file, tag string) v1.Image {
		ref, err := name.NewTag(tag)
		require.NoError(t, err)
		out, err := tarball.ImageFromPath(file, &ref)
		require.NoError(t, err)
		return out
	}
	one := image(file, "registry.k8s.io/etcd:3.6.5-0")
	id, err := one.ConfigName()
	require.NoError(t, err)
	same, err := image(again, "squall/node:dev").ConfigName()
	require.NoError(t, err)
	require.Equal(t, id, same)
	about, err := one.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, config, about.Config)
	require.Equal(t, runtime.GOARCH, about.Architecture)

	layers, err := one.Layers()
	require.NoError(t, err)
	content, err := layers[0].Uncompressed()
	require.NoError(t, err)
	got := map[string]string{}
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if err == io.EOF { //nolint:errorlint // as archive/tar says
			break
		}
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		got[h.Name] = string(h.Typeflag) + " " + h.FileInfo().Mode().String() + " " + h.Linkname + string(text)
	}
	require.Equal(t, map[string]string{
		"bin": "2 Lrwxrwxrwx usr/bin", "usr/": "5 drwxr-xr-x ", "usr/bin/": "5 drwxr-xr-x ",
		"usr/bin/kube": "0 urwxr-xr-x program", "usr/bin/twin": "1 urwxr-xr-x usr/bin/kube",
	}, got)
}

// What runs only after ten minutes is read here.
func TestScriptsAndSourcesAreWellFormed(t *testing.T) {
	entries, err := files.ReadDir("files")
	require.NoError(t, err)
	for _, e := range entries {
		text, err := files.ReadFile("files/" + e.Name())
		require.NoError(t, err)
		switch {
		case strings.HasSuffix(e.Name(), ".sh"):
			c := exec.CommandContext(t.Context(), "bash", "-n")
			c.Stdin = strings.NewReader(string(text))
			out, err := c.CombinedOutput()
			require.NoError(t, err, "%s: %s", e.Name(), out)
		case strings.HasSuffix(e.Name(), ".go.txt"):
			formatted, err := format.Source(text)
			require.NoError(t, err, e.Name())
			require.Equal(t, string(formatted), string(text), e.Name())
		}
	}
}
