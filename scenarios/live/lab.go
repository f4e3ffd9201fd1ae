package live

import (
	"context"
	"errors"
	"slices"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/spec"
)

// lab is the mesh of a run: one of its own, or one that stays up and to which it attaches.
type lab interface {
	Instances() []*platform.Instance
	Instance(name string) (*platform.Instance, bool)
	GatewayAddress() string
	Client() *mesh.Client
	Apply(ctx context.Context, files ...config.File) (mesh.ApplyResponse, error)
	Break(ctx context.Context, id string, b platform.Breakage) (seen string, err error)
	Mend(ctx context.Context, id string) (seen string, err error)
	Info() platform.Info
	Dial(from *platform.Instance) platform.Dial
	Reach(ctx context.Context, from *platform.Instance, host string, port uint32, http bool) (string, error)
	Beyond(address string) string
	BeyondHost(host string) string
	Failed() <-chan error
	Close() error
}

// open starts the run's mesh, or attaches to one, and what collects from it. close ends both, also after an error.
func (r *runner) open(ctx context.Context) (close func() error, err error) {
	var closers []func() error
	close = func() error {
		var err error
		for _, c := range slices.Backward(closers) {
			err = errors.Join(err, c())
		}
		return err
	}
	starting, done := context.WithTimeout(ctx, startTimeout)
	defer done()
	if r.opts.Attach != "" {
		a, err := local.Attach(starting, r.opts.Attach)
		if err != nil {
			return close, err
		}
		closers = append(closers, a.Close)
		r.lab = a
		if r.observed, err = a.Follow(ctx); err != nil {
			return close, err
		}
		closers = append(closers, r.observed.Close)
		if a.Exact() != (r.file.Profile() == "exact") {
			return close, errors.New("the mesh that is up has another profile than the scenario: start it with squall up --profile " + r.file.Profile())
		}
		_, err = a.Apply(starting, r.file.Rules...)
		return close, err
	}
	own, err := r.opts.Platform.Start(starting, platform.Spec{
		App: r.opts.App, AppDir: r.opts.AppDir, Rules: r.file.Rules, Relayed: relayed(r.file.Spec.Timeline),
		Added: added(r.file.Spec.Timeline, replicas(r.opts.App)), Exact: r.file.Profile() == "exact",
	})
	if err != nil {
		return close, err
	}
	closers = append(closers, own.Close)
	r.lab, r.own, r.observed = own, own, own.Collected()
	return close, nil
}

// Refused says which items of a scenario, or workloads of its app, a platform cannot have.
func Refused(f *spec.File, app *config.App, info platform.Info) diag.List {
	var problems diag.List
	for i, item := range f.Spec.Timeline {
		kind := item.Fault.NeedsPods()
		if kind == "" || kind == "dns" && info.Names || kind != "dns" && info.Packets {
			continue
		}
		problems.Errorf("NEEDS-PODS", f.Where(plan.Where(i)), "a lab on %s cannot have a %s: it does not rule its network", info.Form, kind)
		problems.Hint("use --platform pods, where the system allows it (squall doctor)")
	}
	if info.Form == platform.Docker || info.Form == platform.Kind {
		problems.Add(needsLocal(app, info.Form)...)
	}
	if info.Foreign {
		problems.Add(needsOwnApp(f)...)
	}
	return problems
}

// needsLocal says which of the app's workloads containers and clusters cannot have: gateways, and certificates with a lifetime of their own.
func needsLocal(app *config.App, form platform.Form) diag.List {
	var out diag.List
	docs, _ := config.Parse(app.Manifests...) // reported elsewhere
	for _, t := range config.Templates(config.Set{}.With(docs...)) {
		if t.Gateway {
			out.Errorf("NEEDS-LOCAL", t.Pos, "a lab on %s has its ingress gateway alone, and no %s", form, t.Owner)
			out.Hint("use --platform pods or loopback")
		}
		if t.CertificateTTL > 0 {
			out.Errorf("NEEDS-LOCAL", t.Pos, "a lab on %s cannot set the lifetime of certificates (SECRET_TTL) of %s", form, t.Owner)
			out.Hint("use --platform pods or loopback")
		}
	}
	return out
}

// needsOwnApp says which items of a scenario need an app that the lab runs itself.
func needsOwnApp(f *spec.File) diag.List {
	var out diag.List
	app := func(p *spec.Process) bool { return p != nil && p.Target != string(platform.Sidecar) }
	for i, item := range f.Spec.Timeline {
		if item.Scale == nil && item.Script == nil && item.Hold == nil && item.Release == nil && !app(item.Restart) &&
			(item.Fault == nil || !app(item.Fault.Kill) && !app(item.Fault.Pause)) {
			continue
		}
		out.Errorf("NEEDS-OWN-APP", f.Where(plan.Where(i)), "the app's pods are run by others: they cannot be scaled, killed, paused or told what to answer")
		out.Hint("leave --injected out, or break the sidecar (target: sidecar)")
	}
	return out
}

// Attachable says which items of a scenario need a mesh of the run's own.
func Attachable(f *spec.File) diag.List {
	var problems diag.List
	for i, item := range f.Spec.Timeline {
		at := f.Where(plan.Where(i))
		switch {
		case item.Scale != nil:
			problems.Errorf("NOT-ATTACHED", at, "Deployments are scaled only in a mesh of the run's own: run it without --attach")
		case item.Fault != nil && item.Fault.ControlPlane != "":
			problems.Errorf("NOT-ATTACHED", at, "the control plane is stopped only in a mesh of the run's own: run it without --attach")
		}
	}
	return problems
}
