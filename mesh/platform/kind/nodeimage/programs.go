package nodeimage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// programNames are all that a node needs and Debian has not. kube is eight programs in one file, which picks by the name that it is called by:
// apart they are four times as large. The last ones are plugins of the pods' network.
func programNames() []string {
	return []string{"kube", "coredns", "pause", "host-local", "loopback", "portmap", "ptp"}
}

// programs makes sure of them in Dir/programs.
func (b *build) programs(ctx context.Context) error {
	dir := b.path("programs")
	if missing(dir) == nil {
		b.say("the programs are there")
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // they are for all users of a node
		return err
	}
	if b.Programs != "" {
		if err := b.unpack(ctx, b.Programs, dir); err != nil {
			return err
		}
		b.say("the programs are unpacked")
		return nil
	}
	b.say("the programs are built, which takes some ten minutes")
	if err := b.compile(ctx, dir); err != nil {
		return err
	}
	b.say("the programs are built")
	return missing(dir)
}

// unpack takes them from an archive.
func (b *build) unpack(ctx context.Context, archive, dir string) error {
	archive, err := filepath.Abs(archive)
	if err != nil {
		return err
	}
	if _, err := b.run(ctx, "unpack", "tar", "--extract", "--no-same-owner", "--file", archive, "--directory", dir); err != nil {
		return err
	}
	if err := missing(dir); err != nil {
		return fmt.Errorf("the archive %s: %w", archive, err)
	}
	return nil
}

// missing tells which programs a folder lacks, or nil.
func missing(dir string) error {
	var names []string
	for _, name := range programNames() {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		return errors.New("these programs are not in it: " + strings.Join(names, ", "))
	}
	return nil
}

// compile builds the programs, all of one module, so that they share what they have in common.
func (b *build) compile(ctx context.Context, dir string) error {
	kubernetes, err := b.moduleDir(ctx, "k8s.io/kubernetes@"+Kubernetes, ".")
	if err != nil {
		return err
	}
	source := b.path("source")
	for name, to := range map[string]string{"kube.go.txt": "kube", "coredns.go.txt": "coredns"} {
		text, err := files.ReadFile("files/" + name)
		if err != nil {
			return err
		}
		if err := put(filepath.Join(source, to, "main.go"), text); err != nil {
			return err
		}
	}
	own, err := os.ReadFile(filepath.Join(kubernetes, "go.mod")) //nolint:gosec // of a Go module
	if err != nil {
		return err
	}
	file, err := moduleFile(own, Kubernetes)
	if err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(kubernetes, "go.sum")) //nolint:gosec // of a Go module
	if err != nil {
		return err
	}
	if err := errors.Join(put(filepath.Join(source, "go.mod"), file), put(filepath.Join(source, "go.sum"), sums)); err != nil {
		return err
	}
	return b.script(ctx, "programs", source, dir, versionFlags(Kubernetes), filepath.Join(kubernetes, "build/pause/linux/pause.c"),
		"k8s.io/kubernetes@"+Kubernetes, "go.etcd.io/etcd/server/v3@"+etcd, "github.com/coredns/coredns@"+coredns, "github.com/containernetworking/plugins@"+cniPlugins)
}

func put(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // sources
		return err
	}
	return os.WriteFile(file, text, 0o644) //nolint:gosec // sources
}

// staged is a replacement in Kubernetes' module file: a folder of its repository, which is published as a module too.
var staged = regexp.MustCompile(`=> \./staging/src/(k8s\.io/[a-z0-9-]+)`)

// moduleFile gives the programs the versions that Kubernetes itself is built with: its own module file under another name, with its folders
// as the modules that they are published as. Those of v1.34.4 are v0.34.4.
func moduleFile(kubernetes []byte, release string) ([]byte, error) {
	const name = "module k8s.io/kubernetes\n"
	text := string(kubernetes)
	if !strings.Contains(text, name) || !staged.MatchString(text) {
		return nil, fmt.Errorf("the module file of Kubernetes %s is not as expected", release)
	}
	text = strings.Replace(text, name, "module squall.dev/node\n", 1)
	return []byte(staged.ReplaceAllString(text, "=> $1 v0"+strings.TrimPrefix(release, "v1"))), nil
}

// versionFlags have the linker write the release into the programs, as Kubernetes' own build does: kubeadm compares the versions.
func versionFlags(release string) string {
	parts := strings.Split(strings.TrimPrefix(release, "v"), ".")
	flags := []string{"-s", "-w"}
	for _, in := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, v := range []string{
			"gitVersion=" + release, "gitMajor=" + parts[0], "gitMinor=" + parts[1], "gitTreeState=archive",
			"gitCommit=" + strings.Repeat("0", 40), "buildDate=2026-01-01T00:00:00Z",
		} {
			flags = append(flags, "-X", in+"."+v)
		}
	}
	return strings.Join(flags, " ")
}

// dirOf reads what `go mod download -json` says.
func dirOf(answer, within string) (string, error) {
	var module struct{ Dir, Error string }
	if err := json.Unmarshal([]byte(answer), &module); err != nil {
		return "", fmt.Errorf("go mod download: %w", err)
	}
	if module.Error != "" || module.Dir == "" {
		return "", errors.New("go mod download: " + module.Error)
	}
	return filepath.Join(module.Dir, within), nil
}
