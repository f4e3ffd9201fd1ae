package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

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

// Remove ends withdrawn instances: their processes at once, their pods when the host has come to it.
func (l *Lab) Remove(ctx context.Context, list []*platform.Instance) error {
	var leaving []*member
	for _, i := range list {
		leaving = append(leaving, l.own(i))
	}
	l.mu.Lock()
	for _, m := range leaving {
		m.gone = true
	}
	l.mu.Unlock()
	if err := l.applyWorkloads(ctx); err != nil {
		return err
	}
	errs := []error{l.each(ctx, leaving, (*member).reset)}
	for _, m := range leaving {
		for _, stop := range m.stops {
			stop()
		}
		errs = append(errs, l.host.Remove(ctx, m.pod))
	}
	return errors.Join(errs...)
}

// Add starts more instances of a Deployment and returns when every proxy sends to them.
func (l *Lab) Add(ctx context.Context, owner string, count int) ([]*platform.Instance, error) {
	template, ok := l.templates[owner]
	if !ok {
		return nil, fmt.Errorf("there is no Deployment %q", owner)
	}
	number := 0
	for _, i := range l.everyone() {
		if i.Owner == owner {
			number++
		}
	}
	var problems diag.List
	var added, missing []*member
	for range count {
		instance := template.Named(number)
		number++
		if m := l.takeSpare(instance.Name); m != nil {
			added = append(added, m)
			continue
		}
		if m := l.member(instance, &problems); m != nil {
			m.NotReady = true
			added, missing = append(added, m), append(missing, m)
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	g, adding := errgroup.WithContext(ctx)
	for _, m := range missing {
		g.Go(func() error {
			place, err := l.host.Add(adding, m.pod)
			if err != nil {
				return err
			}
			return l.put(m, place)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.members = append(l.members, added...)
	l.mu.Unlock()
	// Their proxies get their configuration first, and are sent traffic when they have it.
	if err := l.launch(ctx, added, l.applyWorkloads); err != nil {
		return nil, err
	}
	for _, m := range added {
		m.NotReady = false
	}
	return shown(added), l.applyWorkloads(ctx)
}
