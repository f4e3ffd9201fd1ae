package kind

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/client-go/dynamic"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/registry/kube"
)

// Platform runs labs in one cluster, one after the other.
type Platform struct {
	Options Options

	mu      sync.Mutex
	cluster *Cluster
}

// Info is kind's.
func (p *Platform) Info() platform.Info { return p.Options.info() }

// Start brings a lab up in the cluster, which it makes if there is none. The cluster stays.
func (p *Platform) Start(ctx context.Context, s platform.Spec) (platform.Deployment, error) {
	c, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	h, err := c.host(ctx)
	if err != nil {
		return nil, err
	}
	start := fleet.Start
	if p.Options.Injected {
		start = func(ctx context.Context, _ fleet.Host, s platform.Spec) (*fleet.Lab, error) {
			return fleet.StartInjected(ctx, h, s)
		}
	}
	l, err := start(ctx, h, s)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// open gives the cluster that earlier labs were in, or opens it.
func (p *Platform) open(ctx context.Context) (*Cluster, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cluster != nil {
		return p.cluster, nil
	}
	c, err := Open(ctx, p.Options)
	if err != nil {
		return nil, err
	}
	p.cluster = c
	return c, nil
}

// Open opens the cluster ahead of the first lab: that takes long if there is none.
func (p *Platform) Open(ctx context.Context) error {
	_, err := p.open(ctx)
	return err
}

// WatchRules gives a control plane the rules of the cluster as kubectl applies them, until the context ends. told is called with what came of
// each.
func (p *Platform) WatchRules(ctx context.Context, control *mesh.Client, told func(what string, err error)) error {
	c, err := p.open(ctx)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return fmt.Errorf("the cluster %s: %w", c.opts.Name, err)
	}
	if err := kube.Install(ctx, client); err != nil {
		return err
	}
	who, err := holder()
	if err != nil {
		return err
	}
	return kube.Watch(ctx, kube.Options{
		Client: client, Sink: control, Told: told,
		Election: &kube.Candidate{Client: c.kube, Namespace: systemNamespace, Name: statusLease, Identity: who},
	})
}
