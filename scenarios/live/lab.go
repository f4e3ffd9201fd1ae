package live

import (
	"context"
	"errors"
	"slices"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/scenarios/spec"
)

// lab is the mesh of a run: one of its own, or one that stays up and to which it attaches.
type lab interface {
	Instances() []*local.Instance
	Instance(name string) (*local.Instance, bool)
	GatewayAddress() string
	Client() *mesh.Client
	Apply(ctx context.Context, files ...config.File) (mesh.ApplyResponse, error)
	Break(ctx context.Context, id string, b local.Breakage) (seen string, err error)
	Mend(ctx context.Context, id string) (seen string, err error)
	Form() local.Form
	Dial(from *local.Instance) local.Dial
	Reach(ctx context.Context, from *local.Instance, host string, port uint32, http bool) (string, error)
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
	if r.observed, err = local.Collect(ctx, r.opts.Dir); err != nil {
		return close, err
	}
	closers = append(closers, r.observed.Close)
	own, err := local.Start(starting, local.Options{
		Squall: r.opts.Squall, Envoy: r.opts.Envoy, Owner: r.opts.Owner, Dir: r.opts.Dir, App: r.opts.App,
		AppDir: r.opts.AppDir, Rules: r.file.Rules, Relayed: relayed(r.file.Spec.Timeline), Exact: r.file.Profile() == "exact",
		Env: r.opts.Env, Log: r.opts.Log, Form: r.opts.Form,
	})
	if err != nil {
		return close, err
	}
	closers = append(closers, own.Close)
	r.lab, r.own = own, own
	return close, nil
}

// Refused says which items of a scenario labs of a form cannot have.
func Refused(f *spec.File, form local.Form) diag.List {
	var problems diag.List
	for i, item := range f.Spec.Timeline {
		if kind := item.Fault.NeedsPods(); kind != "" && form != local.Pods {
			problems.Errorf("NEEDS-PODS", f.Where(where(i)), "a lab on %s cannot have a %s: it has no network of its own", form, kind)
			problems.Hint("use --platform pods, where the system allows it (squall doctor)")
		}
	}
	return problems
}

// Attachable says which items of a scenario need a mesh of the run's own.
func Attachable(f *spec.File) diag.List {
	var problems diag.List
	for i, item := range f.Spec.Timeline {
		at := f.Where(where(i))
		switch {
		case item.Scale != nil:
			problems.Errorf("NOT-ATTACHED", at, "Deployments are scaled only in a mesh of the run's own: run it without --attach")
		case item.Fault != nil && item.Fault.ControlPlane != "":
			problems.Errorf("NOT-ATTACHED", at, "the control plane is stopped only in a mesh of the run's own: run it without --attach")
		}
	}
	return problems
}
