package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/bookinfo/backend"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/scenarios/spec"
)

// CalmBackends makes all built-in backends among the instances let go what they hold and forget what they were told to answer.
func CalmBackends(ctx context.Context, list []*platform.Instance) error {
	var problems []error
	for _, c := range backendsOf(list, "") {
		_, err := c.Release(ctx, -1)
		problems = append(problems, err, c.Script(ctx))
	}
	return errors.Join(problems...)
}

func backendsOf(list []*platform.Instance, workload string) []*backend.Client {
	var out []*backend.Client
	for _, i := range list {
		if takesOrders(i, workload) {
			out = append(out, controlOf(i))
		}
	}
	return out
}

func controlOf(i *platform.Instance) *backend.Client {
	return backend.NewClientThrough(i.Connect, i.ControlSocket)
}

// takesOrders reports whether an instance is a built-in backend, of a workload or of any.
func takesOrders(i *platform.Instance, workload string) bool {
	return strings.Contains(strings.Join(i.Command, " "), "bookinfo backend") && (workload == "" || i.Owner == workload || i.Name == workload)
}

// backends gives the control clients of the built-in backend's workloads, or of one of them.
func (r *runner) backends(workload string) ([]*backend.Client, error) {
	out := backendsOf(r.lab.Instances(), workload)
	if len(out) == 0 {
		return nil, fmt.Errorf("the app has no backend %q that takes orders", workload)
	}
	return out, nil
}

func (r *runner) each(workload string, f func(*backend.Client) error) error {
	clients, err := r.backends(workload)
	if err != nil {
		return err
	}
	for _, c := range clients {
		if err := f(c); err != nil {
			return err
		}
	}
	return nil
}

func match(m spec.Match) backend.Match {
	return backend.Match{Port: m.Port, PathPrefix: m.PathPrefix, Header: m.Headers}
}

func (r *runner) hold(h *spec.Hold) happening {
	return happening{
		begin: func(ctx context.Context) error {
			return r.each(h.Workload, func(c *backend.Client) error { return c.Hold(ctx, match(h.Match)) })
		},
		end: func(ctx context.Context) error { return r.releaseNow(ctx, h.Workload, -1) },
	}
}

func (r *runner) release(s *spec.Release) happening {
	n := -1
	if s.Count != nil {
		n = *s.Count
	}
	return happening{begin: func(ctx context.Context) error { return r.releaseNow(ctx, s.Workload, n) }}
}

func (r *runner) releaseNow(ctx context.Context, workload string, n int) error {
	return r.each(workload, func(c *backend.Client) error {
		_, err := c.Release(ctx, n)
		return err
	})
}

func (r *runner) script(s *spec.Script) happening {
	rule := backend.Rule{Match: match(s.Match), Workers: s.Workers}
	for _, o := range s.Outcomes {
		end := backend.End(o.End)
		if o.End == "answer" {
			end = backend.Answer
		}
		rule.Outcomes = append(rule.Outcomes, backend.Outcome{
			Status: o.Status, GRPCStatus: o.GRPCStatus, Header: o.Header, Body: o.Body, Delay: time.Duration(o.Delay), End: end,
		})
	}
	own := &script{workload: s.Workload, rule: rule}
	return happening{
		begin: func(ctx context.Context) error {
			r.teaching.Lock()
			defer r.teaching.Unlock()
			r.scripts = append(r.scripts, own)
			return r.teach(ctx, s.Workload)
		},
		end: func(ctx context.Context) error {
			r.teaching.Lock()
			defer r.teaching.Unlock()
			r.scripts = slices.DeleteFunc(r.scripts, func(one *script) bool { return one == own })
			return r.teach(ctx, s.Workload)
		},
	}
}

// script is a rule of the timeline for the backends of a workload, or for all.
type script struct {
	workload string
	rule     backend.Rule
}

// teachAgain tells backends that were started in mid run what the others were told before.
func (r *runner) teachAgain(ctx context.Context, workload string) error {
	r.teaching.Lock()
	defer r.teaching.Unlock()
	if len(r.scripts) == 0 || len(backendsOf(r.lab.Instances(), workload)) == 0 {
		return nil
	}
	return r.teach(ctx, workload)
}

// teach tells the backends of a workload, or all, the scripts that are in force for them: of those that match a request the latest counts.
func (r *runner) teach(ctx context.Context, workload string) error {
	told := 0
	for _, i := range r.lab.Instances() {
		if !takesOrders(i, workload) {
			continue
		}
		told++
		var rules []backend.Rule
		for _, s := range slices.Backward(r.scripts) {
			if takesOrders(i, s.workload) {
				rules = append(rules, s.rule)
			}
		}
		if err := controlOf(i).Script(ctx, rules...); err != nil {
			return err
		}
	}
	if told == 0 {
		return fmt.Errorf("the app has no backend %q that takes orders", workload)
	}
	return nil
}
