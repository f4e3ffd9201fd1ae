package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/kind"
)

func nodeImageFlag(c *cobra.Command, image *string) {
	c.Flags().StringVar(image, "node-image", "", "image of a new cluster's nodes; kind's own if empty (--platform kind)")
}

func injectedFlag(c *cobra.Command, injected *bool) {
	c.Flags().BoolVar(injected, "injected", false, "use the pods with sidecars that you run in the cluster, in place of the app's (--platform kind)")
}

// checkInjected holds that there is a cluster to take pods from.
func checkInjected(injected bool, form platform.Form) error {
	if injected && form != platform.Kind {
		return invalid(errors.New("--injected takes pods of a cluster: add --platform kind"))
	}
	return nil
}

// kindOptions are those of the cluster that belongs to a lab's name.
func kindOptions(env *environment, name, nodeImage string) kind.Options {
	cluster := kind.DefaultName
	if name != "" && name != defaultName {
		cluster += "-" + name
	}
	return kind.Options{
		Name: cluster, NodeImage: nodeImage, Kubeconfig: filepath.Join(env.cacheDir, "kind", cluster+".kubeconfig"),
		Progress: func(line string) { _, _ = fmt.Fprintln(env.stderr, line) },
	}
}

// imagePrograms are those of the image in which labs run, by their paths there.
func imagePrograms(self string, b envoy.Binary) map[string]string {
	return map[string]string{fleet.Squall: self, fleet.Envoy: b.Path}
}

// openKind gives the platform, with a cluster that is ready.
func openKind(ctx context.Context, env *environment, name, nodeImage string, injected bool, b envoy.Binary) (*kind.Platform, error) {
	o := kindOptions(env, name, nodeImage)
	o.Injected = injected
	o.Programs = imagePrograms(env.self, b)
	p := &kind.Platform{Options: o}
	if err := p.Open(ctx); err != nil {
		return nil, broken(err)
	}
	return p, nil
}

// downKind takes the cluster away.
func downKind(ctx context.Context, env *environment, name string) error {
	was, err := kind.Delete(ctx, kindOptions(env, name, ""))
	if err != nil {
		return broken(err)
	}
	if !was {
		_, _ = fmt.Fprintln(env.stderr, "there was no cluster")
	}
	return nil
}
