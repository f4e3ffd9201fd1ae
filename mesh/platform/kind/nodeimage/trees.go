package nodeimage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// debian makes the tree that all others are made of.
func (b *build) debian(ctx context.Context) error {
	done := b.path("debian.done")
	if _, err := os.Stat(done); err == nil {
		b.say("Debian's packages are there")
		return nil
	}
	if err := b.script(ctx, "debian", b.path("debian")); err != nil {
		return err
	}
	b.say("Debian's packages are unpacked")
	return os.WriteFile(done, nil, 0o600)
}

// path in images whose programs are Debian's.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// controlPlane writes the images of a cluster's own pods into Dir/images, under the names by which kubeadm asks for them.
func (b *build) controlPlane(ctx context.Context) error {
	if err := errors.Join(os.RemoveAll(b.path("trees")), os.RemoveAll(b.path("images"))); err != nil {
		return err
	}
	if err := b.script(ctx, "trees", b.path("debian"), b.path("programs"), b.path("trees")); err != nil {
		return err
	}
	listed, err := b.run(ctx, "images", b.path("trees", "kubeadm"), "config", "images", "list", "--kubernetes-version", Kubernetes)
	if err != nil {
		return err
	}
	containerd, err := os.ReadFile(filepath.Join(b.kindFiles, "etc/containerd/config.toml"))
	if err != nil {
		return err
	}
	names, err := imageNames(listed, string(containerd))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.path("images"), 0o755); err != nil { //nolint:gosec // read by the node's containerd
		return err
	}
	for tree, config := range map[string]v1.Config{
		"kube":    {Env: []string{searchPath}},
		"coredns": {Entrypoint: []string{"/coredns"}},
		"pause":   {Entrypoint: []string{"/pause"}, User: "65535:65535"},
	} {
		if err := writeImage(b.path("images", tree+".tar"), b.path("trees", tree), config, names[tree]...); err != nil {
			return err
		}
	}
	b.say("the images of the cluster's own pods are written")
	return nil
}

// sandbox is where containerd's configuration names the image of the pods' first containers.
var sandbox = regexp.MustCompile(`(?m)^\s*sandbox_image = "([^"]+)"`)

// imageNames sorts what kubeadm wants, by the tree that it is made of. The sandbox's image is containerd's choice.
func imageNames(listed, containerd string) (map[string][]string, error) {
	trees := map[string]string{
		"kube-apiserver": "kube", "kube-controller-manager": "kube", "kube-scheduler": "kube", "kube-proxy": "kube", "etcd": "kube",
		"coredns": "coredns", "pause": "pause",
	}
	out := map[string][]string{}
	seen := 0
	for name := range strings.FieldsSeq(listed) {
		image, _, ok := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
		tree := trees[image]
		if !ok || tree == "" {
			return nil, fmt.Errorf("kubeadm wants an image that is not known here: %s", name)
		}
		out[tree] = append(out[tree], name)
		seen++
	}
	if seen != len(trees) {
		return nil, fmt.Errorf("kubeadm wants %d images, of %d that are known here: %s", seen, len(trees), listed)
	}
	found := sandbox.FindStringSubmatch(containerd)
	if found == nil {
		return nil, errors.New("the configuration of containerd in kind's module names no sandbox_image")
	}
	if !slices.Contains(out["pause"], found[1]) {
		out["pause"] = append(out["pause"], found[1])
	}
	return out, nil
}

// node writes the image of a node, with the others in it.
func (b *build) node(ctx context.Context) (string, error) {
	for _, name := range []string{"cni.sh", "cni.service", "cni.yaml", "dns.yaml"} {
		text, err := files.ReadFile("files/" + name)
		if err != nil {
			return "", err
		}
		if err := put(b.path("own", name), text); err != nil {
			return "", err
		}
	}
	if err := b.script(ctx, "node", b.path("debian"), b.path("programs"), b.kindFiles, b.path("own"), Kubernetes, b.path("node")); err != nil {
		return "", err
	}
	if err := b.script(ctx, "import", b.path("node"), b.path("images")); err != nil {
		return "", err
	}
	b.say("the node's tree is made")
	archive := b.path("node.tar")
	err := writeImage(archive, b.path("node"), v1.Config{
		Entrypoint: []string{"/usr/local/bin/entrypoint", "/sbin/init"}, Env: []string{searchPath, "container=docker"}, StopSignal: "SIGRTMIN+3",
	}, b.Tag)
	b.say("%s is written", archive)
	return archive, err
}
