package local

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/platform"
)

// Replicas are the instances of a Deployment that run, the oldest first.
func (l *Lab) Replicas(owner string) []*platform.Instance {
	return slices.DeleteFunc(l.Instances(), func(i *platform.Instance) bool { return i.Owner != owner })
}

// Withdraw takes instances out of every load balancer and returns when no proxy sends to them any more. They run on until Remove.
func (l *Lab) Withdraw(ctx context.Context, list []*platform.Instance) error {
	for _, i := range list {
		i.NotReady = true
	}
	return l.applyWorkloads(ctx)
}

// Remove ends withdrawn instances.
func (l *Lab) Remove(ctx context.Context, list []*platform.Instance) error {
	var leaving []*Instance
	for _, shown := range list {
		leaving = append(leaving, l.own(shown))
	}
	l.mu.Lock()
	for _, i := range leaving {
		i.gone = true
	}
	l.mu.Unlock()
	if err := l.applyWorkloads(ctx); err != nil {
		return err
	}
	for _, i := range leaving {
		for _, p := range l.processes(i, platform.Both) {
			l.mu.Lock()
			l.planned[p] = true
			l.mu.Unlock()
			if err := p.Stop(ctx); err != nil {
				return fmt.Errorf("stop %s: %w", i.Name, err)
			}
		}
		if i.stopAgent != nil {
			i.stopAgent()
		}
		if err := l.net.leave(i); err != nil {
			return err
		}
	}
	return nil
}

// Add starts more instances of a Deployment and returns when every proxy sends to them.
func (l *Lab) Add(ctx context.Context, owner string, count int) ([]*platform.Instance, error) {
	template, ok := l.templates[owner]
	if !ok {
		return nil, fmt.Errorf("there is no Deployment %q", owner)
	}
	var added []*Instance
	var problems diag.List
	l.mu.Lock()
	number := 0
	for _, i := range l.instances {
		if i.Owner == owner {
			number++
		}
	}
	for range count {
		if len(l.instances) >= l.net.room() {
			l.mu.Unlock()
			return nil, fmt.Errorf("a lab (%s) has room for %d workloads", l.net.form(), l.net.room()-1)
		}
		i := l.place(template.Named(number), &problems)
		number++
		if i == nil {
			l.mu.Unlock()
			return nil, problems.Err()
		}
		i.NotReady = true
		l.instances = append(l.instances, i)
		added = append(added, i)
	}
	l.mu.Unlock()
	for _, i := range added {
		if err := l.makeDir(i); err != nil {
			return nil, err
		}
	}
	if err := l.enter(ctx, added); err != nil {
		return nil, err
	}
	// Their proxies get their configuration first, and are sent traffic when they have it.
	if err := l.applyWorkloads(ctx); err != nil {
		return nil, err
	}
	g, starting := errgroup.WithContext(ctx)
	var ids []string
	for _, i := range added {
		ids = append(ids, i.ID())
		g.Go(func() error { return l.startApp(starting, i) })
		g.Go(func() error { return l.startEnvoy(starting, i) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := l.client.WaitLive(ctx, ids...); err != nil {
		return nil, err
	}
	for _, i := range added {
		i.NotReady = false
	}
	return shown(added), l.applyWorkloads(ctx)
}

func (l *Lab) applyWorkloads(ctx context.Context) error {
	_, err := l.client.Apply(ctx, mesh.ApplyRequest{Workloads: l.workloads()})
	return err
}
