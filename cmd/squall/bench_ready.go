package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
)

// readyRounds is how often a mesh is started, and its Envoys alone beside it.
const readyRounds = 5

// ready measures how soon Bookinfo's mesh takes traffic, and how soon its Envoys alone would with all their configuration
// in a file.
func (b *bench) ready(ctx context.Context) error {
	rules := builtinRules("bookinfo-gateway", "destination-rule-all")
	app, _, err := loadApp("bookinfo")
	if err != nil {
		return err
	}
	var times, alone []float64
	for range readyRounds {
		var proxies []*model.Proxy
		begin := time.Now()
		err := b.withLab(ctx, "bookinfo", 1, rules, func(lab *local.Lab) error {
			times = append(times, time.Since(begin).Seconds())
			for _, i := range lab.Instances() {
				w := i.Workload.Workload
				proxies = append(proxies, &model.Proxy{ID: i.ID(), Kind: i.Kind, Workload: &w})
			}
			return nil
		})
		if err != nil {
			return err
		}
		took, err := b.staticEnvoys(ctx, append(app.Manifests, rules...), proxies)
		if err != nil {
			return fmt.Errorf("static Envoys: %w", err)
		}
		alone = append(alone, took.Seconds())
	}
	baseline := median(alone)
	b.compare("mesh.ready_seconds", median(times), "s", &baseline,
		fmt.Sprintf("median of %d: gateway and 6 workloads, rules effective; the baseline is the same Envoys with the same configuration in files; target: at most 1.5 times it", readyRounds))
	return nil
}

// staticEnvoys starts Envoys with all that they would be sent in their bootstraps, and gives the time until all are ready.
func (b *bench) staticEnvoys(ctx context.Context, files []config.File, proxies []*model.Proxy) (took time.Duration, err error) {
	docs, problems := config.Parse(files...)
	var workloads []*model.Workload
	for _, p := range proxies {
		workloads = append(workloads, p.Workload)
	}
	owner, dir, err := newOwner(b.env)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, owner.Close()) }()
	identity, err := xdstest.NewIdentity(filepath.Join(dir, "ca"))
	if err != nil {
		return 0, err
	}
	snap, more := config.Build(config.Set{}.With(docs...), model.Snapshot{Mesh: model.ExactMesh(), Trust: identity.Trust}, workloads)
	problems.Add(more...)
	if err := problems.Err(); err != nil {
		return 0, err
	}
	bootstraps, err := xdstest.StaticBootstraps(snap, proxies, identity)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	begin := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for i, o := range bootstraps {
		own := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(own, 0o700); err != nil {
			return 0, err
		}
		o.Admin = "unix://" + filepath.Join(own, "admin.sock")
		o.AccessLog, o.Zipkin = "unix://"+filepath.Join(dir, local.AccessLogSocket), "unix://"+filepath.Join(dir, local.ZipkinSocket)
		g.Go(func() error {
			e, err := envoy.Start(ctx, owner, envoy.Options{Binary: b.binary, Dir: own, Bootstrap: o})
			if err != nil {
				return err
			}
			return e.Ready(ctx)
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}
