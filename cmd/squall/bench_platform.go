package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/local"
)

// platforms measures each form of the local platform. Pods are measured by this program inside of namespaces, where the system
// allows them.
func (b *bench) platforms(ctx context.Context) error {
	if b.env.outside != nil {
		return b.platform(ctx, platform.Pods)
	}
	if err := b.platform(ctx, platform.Loopback); err != nil {
		return err
	}
	if err := tryPods(ctx, b.env); err != nil {
		_, _ = fmt.Fprintf(b.env.stderr, "no figures of pods: %v\n", err)
		return nil
	}
	inside := *b.env
	var out bytes.Buffer
	inside.stdout = &out
	if err := enterPods(ctx, &inside, nil, inside.self, "bench", "--only", "platform", "--envoy", b.binary.Path); err != nil {
		return err
	}
	for lines := json.NewDecoder(&out); lines.More(); {
		var f figure
		if err := lines.Decode(&f); err != nil {
			return fmt.Errorf("figures of pods: %w", err)
		}
		b.compare(f.Name, f.Value, f.Unit, f.Baseline, f.Note)
	}
	return nil
}

// platform measures how soon Bookinfo's mesh takes traffic on a form.
func (b *bench) platform(ctx context.Context, form platform.Form) error {
	rules := builtinRules("bookinfo-gateway", "destination-rule-all")
	b.form = form
	defer func() { b.form = "" }()
	var times []float64
	for range readyRounds {
		begin := time.Now()
		err := b.withLab(ctx, "bookinfo", 1, rules, func(*local.Lab) error {
			times = append(times, time.Since(begin).Seconds())
			return nil
		})
		if err != nil {
			return err
		}
	}
	b.add(fmt.Sprintf("platform.%s.ready_seconds", form), median(times), "s",
		fmt.Sprintf("median of %d: gateway and 6 workloads, rules effective", readyRounds))
	return nil
}
