package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/squallmesh/squall/bookinfo/backend"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/scenarios/spec"
)

// CalmBackends makes all built-in backends among the instances let go what they hold and forget what they were told to answer.
func CalmBackends(ctx context.Context, list []*local.Instance) error {
	var problems []error
	for _, c := range backendsOf(list, "") {
		_, err := c.Release(ctx, -1)
		problems = append(problems, err, c.Script(ctx))
	}
	return errors.Join(problems...)
}

func backendsOf(list []*local.Instance, workload string) []*backend.Client {
	var out []*backend.Client
	for _, i := range list {
		if !strings.Contains(strings.Join(i.Command, " "), "bookinfo backend") {
			continue
		}
		if workload == "" || i.Owner == workload || i.Name == workload {
			out = append(out, backend.NewClient(i.ControlSocket))
		}
	}
	return out
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
		kind: "hold", what: "hold requests at the backend",
		begin: func(ctx context.Context) error {
			return r.each(h.Workload, func(c *backend.Client) error { return c.Hold(ctx, match(h.Match)) })
		},
		end: func(ctx context.Context) error { return r.releaseNow(ctx, h.Workload, -1) },
	}
}

func (r *runner) release(s *spec.Release) happening {
	n := -1
	what := "release all held requests"
	if s.Count != nil {
		n, what = *s.Count, fmt.Sprintf("release %d held requests", *s.Count)
	}
	return happening{
		kind: "release", what: what,
		begin: func(ctx context.Context) error { return r.releaseNow(ctx, s.Workload, n) },
	}
}

func (r *runner) releaseNow(ctx context.Context, workload string, n int) error {
	return r.each(workload, func(c *backend.Client) error {
		_, err := c.Release(ctx, n)
		return err
	})
}

func (r *runner) script(s *spec.Script) happening {
	rule := backend.Rule{Match: match(s.Match)}
	var words []string
	for _, o := range s.Outcomes {
		end := backend.End(o.End)
		if o.End == "answer" {
			end = backend.Answer
		}
		rule.Outcomes = append(rule.Outcomes, backend.Outcome{
			Status: o.Status, Header: o.Header, Body: o.Body, Delay: time.Duration(o.Delay), End: end,
		})
		word := o.End
		if word == "" {
			word = fmt.Sprint(o.Status)
		}
		words = append(words, word)
	}
	set := func(rules ...backend.Rule) func(context.Context) error {
		return func(ctx context.Context) error {
			return r.each(s.Workload, func(c *backend.Client) error { return c.Script(ctx, rules...) })
		}
	}
	who := s.Workload
	if who == "" {
		who = "every backend"
	}
	return happening{
		kind: "script", what: fmt.Sprintf("%s answers %s", who, strings.Join(words, ", then ")),
		begin: set(rule), end: set(),
	}
}
