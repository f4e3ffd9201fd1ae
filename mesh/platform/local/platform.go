package local

import (
	"context"
	"errors"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
)

// Platform starts labs with the same options but for what each deploys.
type Platform struct{ Options }

// Info is that of the labs' form.
func (p Platform) Info() platform.Info { return p.Form.Info() }

// Start brings a lab up and collects what its proxies report.
func (p Platform) Start(ctx context.Context, s platform.Spec) (platform.Deployment, error) {
	c, err := Collect(ctx, p.Dir)
	if err != nil {
		return nil, err
	}
	o := p.Options
	o.App, o.AppDir, o.Rules, o.Relayed, o.Exact = s.App, s.AppDir, s.Rules, s.Relayed, s.Exact
	l, err := Start(ctx, o)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &collected{l, c}, nil
}

// collected is a lab with what its proxies report.
type collected struct {
	*Lab
	collector *collect.Collector
}

// Collected is what the proxies have reported.
func (c *collected) Collected() *collect.Collector { return c.collector }

// Close ends the lab, then the collector.
func (c *collected) Close() error { return errors.Join(c.Lab.Close(), c.collector.Close()) }
