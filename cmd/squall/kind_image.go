package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/platform/kind/nodeimage"
)

func newKindImageCommand(env *environment) *cobra.Command {
	var o nodeimage.Options
	var load bool
	c := &cobra.Command{
		Use:   "kind-image",
		Short: "Build an image for the nodes of kind's clusters, without an image registry",
		Long: fmt.Sprintf(`Build an image for the nodes of kind's clusters where no image registry is in reach: Kubernetes %s from Go's module proxy, all else
from Debian's packages. The path of its archive is printed, which docker load takes; squall run --node-image names the image then.

It runs as root on Linux, in folders, without a container, and needs Go, debootstrap and gcc. The first build takes some ten minutes and
3.5 GB of Go's build cache; a later one in the same --dir a minute. --programs takes the programs that an earlier build left in
DIR/programs, as an archive: tar -cJf programs.tar.xz -C DIR/programs . makes one of 47 MB.

Exit codes: 0 written, 3 invalid input, 4 the machine lacks something, or a step failed (its last lines are shown).`, nodeimage.Kubernetes),
		Example: "  squall kind-image --load\n  squall run --platform kind --node-image " + nodeimage.DefaultTag + " scenarios/catalog/request-routing",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Dir == "" {
				o.Dir = filepath.Join(env.cacheDir, "kind", "node")
			}
			if o.Programs != "" {
				if _, err := os.Stat(o.Programs); err != nil {
					return invalid(fmt.Errorf("--programs: %w", err))
				}
			}
			o.Progress = func(line string) { _, _ = fmt.Fprintln(env.stderr, line) }
			archive, err := nodeimage.Build(c.Context(), o)
			if err != nil {
				return broken(err)
			}
			if load {
				if err := dockerLoad(c.Context(), archive); err != nil {
					return broken(fmt.Errorf("the image is in %s, and not in Docker: %w", archive, err))
				}
			}
			_, _ = fmt.Fprintln(env.stdout, archive)
			return nil
		},
	}
	c.Flags().StringVar(&o.Dir, "dir", "", "folder for what is made on the way (default kind/node in squall's cache folder)")
	c.Flags().StringVar(&o.Programs, "programs", "", "archive of the programs, in place of building them")
	c.Flags().StringVar(&o.Tag, "tag", nodeimage.DefaultTag, "name of the image")
	c.Flags().BoolVar(&load, "load", false, "bring it to Docker")
	return c
}

// dockerLoad has the program docker read an archive: kind calls the same program.
func dockerLoad(ctx context.Context, archive string) error {
	out, err := exec.CommandContext(ctx, "docker", "load", "--quiet", "--input", archive).CombinedOutput() //nolint:gosec // a file of ours
	if err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}
