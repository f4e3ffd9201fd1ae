package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/scenarios/record"
)

// withLab runs f in a lab of its own and takes the lab down.
func (b *bench) withLab(ctx context.Context, app string, workers int, rules []config.File, f func(*local.Lab) error) (err error) {
	a, dir, err := loadApp(app)
	if err != nil {
		return err
	}
	owner, tmp, err := newOwner(b.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, owner.Close()) }()
	lab, err := local.Start(ctx, local.Options{
		Squall: b.env.self, Envoy: b.binary, Owner: owner, Dir: tmp, App: a, AppDir: dir, Rules: rules, Concurrency: workers,
		Env: appEnvironment(b.env), Exact: true, DrainTime: time.Second, Form: b.form,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	return f(lab)
}

// catalogueDir is where the shipped scenarios lie in a checkout.
const catalogueDir = "scenarios/catalog"

// catalogue measures how long the shipped scenarios take, two meshes side by side. Outside of a checkout there are none.
func (b *bench) catalogue(ctx context.Context) error {
	if _, err := os.Stat(catalogueDir); err != nil {
		return nil //nolint:nilerr // nothing to measure here
	}
	jobs, err := loadScenarios(b.env, []string{catalogueDir})
	if err != nil {
		return err
	}
	quiet := *b.env
	quiet.stderr = io.Discard
	begin, passed := time.Now(), 0
	peak := watchMemory(ctx)
	_, err = runJobs(ctx, &quiet, runFlags{parallel: 2, seed: 1}, b.binary, jobs, func(_ job, r *record.Run) error {
		if r.Verdict == record.Pass {
			passed++
		}
		return nil
	})
	bytes := peak()
	if err != nil {
		return err
	}
	if bytes > 0 {
		b.add("catalogue.peak_rss_bytes", bytes, "B", "this process and all that it started, resident sizes summed, read four times a second: pages that processes share count for each")
	}
	b.add("catalogue.wall_seconds", time.Since(begin).Seconds(), "s", fmt.Sprintf("%d of %d scenarios pass, two at a time", passed, len(jobs)))
	return nil
}
