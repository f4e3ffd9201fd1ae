package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/docker"
	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/proc"
	"github.com/squallmesh/squall/mesh/telemetry/addons"
)

// fleetLab is a lab in containers or in a cluster.
type fleetLab interface {
	platform.Deployment
	Forward(ctx context.Context, dir string) error
}

// startFleet brings one up. watch gives it the rules of its cluster, until a context ends; it is nil without one.
func startFleet(ctx context.Context, env *environment, f upFlags, b envoy.Binary, s platform.Spec) (lab fleetLab, watch func(context.Context) error, err error) {
	var p platform.Platform = docker.Platform{Options: docker.Options{Programs: imagePrograms(env.self, b)}}
	if f.form == platform.Kind {
		k, err := openKind(ctx, env, f.name, f.nodeImage, f.injected, b)
		if err != nil {
			return nil, nil, err
		}
		p = k
		watch = func(ctx context.Context) error { return k.WatchRules(ctx, lab.Client(), ruleTeller(env)) }
	}
	d, err := p.Start(ctx, s)
	if err != nil {
		return nil, nil, broken(err)
	}
	lab = d.(fleetLab) //nolint:forcetypeassert // both are fleet's
	return lab, watch, nil
}

// manifestsOf are an app's; without one there are none.
func manifestsOf(a *config.App) []config.File {
	if a == nil {
		return nil
	}
	return a.Manifests
}

// ruleTeller says what came of a rule that somebody applied to the cluster.
func ruleTeller(env *environment) func(what string, err error) {
	return func(what string, err error) {
		if err != nil {
			_, _ = fmt.Fprintf(env.stderr, "%s is not effective: %v\n", what, err)
			return
		}
		_, _ = fmt.Fprintf(env.stderr, "%s is effective\n", what)
	}
}

// upFleet keeps a lab in containers or in a cluster until the context ends.
func upFleet(
	ctx context.Context, env *environment, f upFlags, b envoy.Binary, owner *proc.Owner, dir string, s platform.Spec, args []string,
	forward []addons.Forward,
) (err error) {
	begin := time.Now()
	lab, watch, err := startFleet(ctx, env, f, b, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	more, err := openAddons(ctx, env, lab, lab.Collected(), dir, forward)
	if err != nil {
		return broken(err)
	}
	defer func() { err = errors.Join(err, more.Close()) }()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return lab.Forward(ctx, dir) })
	path, err := writeState(env, fleetState(f, lab, more.Address, dir, slices.Concat(manifestsOf(s.App), s.Rules)))
	if err != nil {
		return broken(err)
	}
	defer func() { _ = os.Remove(path) }()
	if err := owner.RemoveAtEnd(path); err != nil {
		return broken(err)
	}
	_, _ = fmt.Fprintf(env.stderr, "the mesh is up after %s; Ctrl-C takes it down\n", time.Since(begin).Round(time.Millisecond))
	if f.form == platform.Kind {
		o := kindOptions(env, f.name, "")
		_, _ = fmt.Fprintf(env.stderr, "the cluster stays until squall down --platform kind; kubectl --kubeconfig %s\n", o.Kubeconfig)
	}
	_, _ = fmt.Fprintf(env.stdout, "gateway  http://%s:8080\n", lab.GatewayAddress())
	_, _ = fmt.Fprintf(env.stdout, "add-ons  http://%s\n", more.Address)
	for _, i := range lab.Instances() {
		_, _ = fmt.Fprintf(env.stdout, "workload %-24s %s\n", i.Name, i.Address)
	}
	g.Go(func() error { return more.Serve(ctx) })
	g.Go(func() error { return watchRules(ctx, env, lab, args) })
	if watch != nil {
		g.Go(func() error { return watch(ctx) })
	}
	return g.Wait()
}

// fleetState is what other commands need to know of the lab. It takes no runs that attach.
func fleetState(f upFlags, lab fleetLab, addons, dir string, baseline []config.File) labState {
	s := labState{
		Name: f.name, PID: os.Getpid(), API: filepath.Join(dir, fleet.ForwardedAPI), App: appName(f.app, "."), Form: lab.Info().Form,
		Gateway: lab.GatewayAddress(), Addons: addons, Baseline: baseline,
	}
	if f.injected {
		s.App = ""
	}
	for _, i := range lab.Instances() {
		s.Proxies = append(s.Proxies, proxyState{
			ID: i.ID(), Workload: i.Name, Admin: "unix://" + filepath.Join(dir, i.Name, fleet.ForwardedAdmin), Address: i.Address,
		})
	}
	return s
}
