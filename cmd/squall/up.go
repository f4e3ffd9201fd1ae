package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/scenarios/live"
)

// upFlags are the flags of up.
type upFlags struct {
	app, envoy, profile, name, platform, nodeImage string
	relays                                         []string
	forward                                        forwardFlags
	// injected takes the pods that are in the cluster, in place of an app's.
	injected bool
	// form is what the lab stands on.
	form   platform.Form
	quotas quotaFlags
}

func newUpCommand(env *environment) *cobra.Command {
	var f upFlags
	var detached bool
	c := &cobra.Command{
		Use:   "up [RULES...]",
		Short: "Bring up a mesh and keep it until Ctrl-C",
		Long: `Bring up a mesh around an app, apply the rules, print the addresses, and keep it until Ctrl-C.

The add-ons' address has a page with links: Prometheus' and Zipkin's HTTP APIs, metrics to scrape, and the service graph.

RULES are files or folders of Istio YAML; they are applied again whenever they change. Without any, Bookinfo's gateway
is opened. Other commands (apply, get, reset, down) find the mesh by its name.`,
		Example: "  squall up\n  squall up bookinfo/rules/bookinfo-gateway.yaml bookinfo/rules/destination-rule-all.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			if err := nameIsFree(env, f.name); err != nil {
				return broken(err)
			}
			if detached {
				return detach(c.Context(), env, f.name)
			}
			return onPlatform(c.Context(), env, f.platform, []string{statePath(env, f.name)}, func(form platform.Form) error {
				f.form = form
				if err := checkInjected(f.injected, form); err != nil {
					return err
				}
				return up(c.Context(), env, f, args)
			})
		},
	}
	c.Flags().BoolVar(&detached, "detach", false, "return when the mesh is up, and keep it until squall down")
	nameFlag(c, &f.name)
	platformFlag(c, &f.platform)
	nodeImageFlag(c, &f.nodeImage)
	injectedFlag(c, &f.injected)
	c.Flags().StringVar(&f.app, "app", "bookinfo", "a built-in app (bookinfo, backend, tcp-echo) or the path of an App file")
	c.Flags().StringVar(&f.envoy, "envoy", "", "path of the Envoy to run")
	c.Flags().StringArrayVar(&f.relays, "relay", nil, "FROM:TO, workloads between which attached runs may break the network; repeat for more")
	f.forward.add(c.Flags())
	c.Flags().StringVar(&f.profile, "profile", "istio", "istio: as Istio configures Envoy; exact: no merge window")
	f.quotas.register(c)
	return c
}

// up keeps a lab until the context ends.
func up(ctx context.Context, env *environment, f upFlags, args []string) (err error) {
	a, dir, err := loadApp(f.app)
	if err != nil {
		return invalid(err)
	}
	rules, err := readRules(args)
	if err != nil {
		return invalid(err)
	}
	if f.injected {
		a = nil
	} else if len(rules) == 0 && f.app == "bookinfo" {
		rules = builtinRules("bookinfo-gateway", "destination-rule-all")
	}
	if f.quotas.url != "" && (f.form == platform.Kind || f.form == platform.Docker) {
		return invalid(fmt.Errorf("--quotas: a mesh on %s counts in its control plane alone; loopback and pods take a Redis", f.form))
	}
	if err := f.quotas.check(ctx); err != nil {
		return err
	}
	b, err := findEnvoy(ctx, env, f.envoy)
	if err != nil {
		return err
	}
	owner, tmp, err := newOwner(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, owner.Close()) }()
	pairs, err := parsePairs(f.relays)
	if err != nil {
		return invalid(err)
	}
	forward, err := f.forward.open(f.form)
	if err != nil {
		return invalid(err)
	}
	if f.form == platform.Kind || f.form == platform.Docker {
		s := platform.Spec{App: a, AppDir: dir, Rules: rules, Relayed: pairs, Exact: f.profile == "exact"}
		return upFleet(ctx, env, f, b, owner, tmp, s, args, forward)
	}
	collector, err := local.Collect(ctx, tmp)
	if err != nil {
		return broken(err)
	}
	defer func() { err = errors.Join(err, collector.Close()) }()
	begin := time.Now()
	lab, err := local.Start(ctx, local.Options{
		Squall: env.self, Envoy: b, Owner: owner, Dir: tmp, App: a, AppDir: dir, Rules: rules, Relayed: pairs,
		Exact: f.profile == "exact", Env: appEnvironment(env), Form: f.form, ControlPlane: f.quotas.args(),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	front, err := lab.OpenFront(ctx)
	if err != nil {
		return broken(err)
	}
	defer func() { err = errors.Join(err, front.Close()) }()
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "unix", filepath.Join(tmp, local.HostSocket))
	if err != nil {
		return broken(fmt.Errorf("the lab's socket: %w", err))
	}
	more, err := openAddons(ctx, env, lab, collector, tmp, forward)
	if err != nil {
		return broken(err)
	}
	defer func() { err = errors.Join(err, more.Close()) }()
	state, err := saveState(env, f.name, f.app, lab, front.Address, more.Address, tmp, slices.Concat(a.Manifests, rules))
	if err != nil {
		return broken(err)
	}
	defer func() { _ = os.Remove(state) }()
	if err := owner.RemoveAtEnd(state); err != nil {
		return broken(err)
	}
	_, _ = fmt.Fprintf(env.stderr, "the mesh is up after %s; Ctrl-C takes it down\n", time.Since(begin).Round(time.Millisecond))
	_, _ = fmt.Fprintf(env.stdout, "gateway  http://%s:8080\n", front.Address)
	_, _ = fmt.Fprintf(env.stdout, "add-ons  http://%s\n", more.Address)
	for _, i := range lab.Instances() {
		_, _ = fmt.Fprintf(env.stdout, "workload %-24s %s\n", i.Name, i.Address)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return local.NewHost(lab, collector, func(ctx context.Context) error { return live.CalmBackends(ctx, lab.Instances()) }).Serve(ctx, listener)
	})
	g.Go(func() error { return more.Serve(ctx) })
	g.Go(func() error { return watchRules(ctx, env, lab, args) })
	return g.Wait()
}

// watchPoll is how often the rules' files are looked at.
const watchPoll = 300 * time.Millisecond

// watched is a lab that is kept.
type watched interface {
	Failed() <-chan error
	Apply(context.Context, ...config.File) (mesh.ApplyResponse, error)
}

// watchRules keeps the mesh until the context ends or it breaks, and applies rules whose files change. A rule that is refused
// changes nothing, and is tried again when it changes again.
func watchRules(ctx context.Context, env *environment, lab watched, args []string) error {
	last := stamps(args)
	tick := time.NewTicker(watchPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-lab.Failed():
			return broken(err)
		case <-tick.C:
		}
		now := stamps(args)
		if now == last {
			continue
		}
		last = now
		rules, err := readRules(args)
		if err == nil {
			resp, applyErr := lab.Apply(ctx, rules...)
			err = reportApply(env.stderr, resp, applyErr)
		}
		if err != nil && ctx.Err() == nil {
			_, _ = fmt.Fprintln(env.stderr, err)
		}
	}
}

// stamps sums up when the files changed last.
func stamps(args []string) string {
	out := ""
	rules, err := readRules(args)
	if err != nil {
		return err.Error()
	}
	for _, f := range rules {
		if info, err := os.Stat(f.Name); err == nil {
			out += fmt.Sprint(f.Name, info.ModTime(), info.Size())
		}
	}
	return out
}

// parsePairs reads FROM:TO.
func parsePairs(list []string) ([]platform.Pair, error) {
	var out []platform.Pair
	for _, text := range list {
		from, to, ok := strings.Cut(text, ":")
		if !ok || to == "" {
			return nil, fmt.Errorf("--relay %s: FROM:TO is wanted, such as reviews:ratings; an empty FROM is everybody", text)
		}
		out = append(out, platform.Pair{From: from, To: to})
	}
	return out, nil
}
