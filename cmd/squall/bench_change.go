package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
)

const (
	changeSmall, changeLarge = 100, 10_000
	// changeTable is how many services share a port, and so a route table.
	changeTable = 100
	// changeRounds of changeCount changes each are measured, of each kind.
	changeRounds, changeCount = 11, 40
)

// The documents of one service, and what changes in them: its number, its port, a last part of an address, a limit, a
// timeout.
const (
	changeEntry = `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s%[1]d}
spec: {hosts: [s%[1]d.test], resolution: STATIC, ports: [{number: %[2]d, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.%[3]d}]}
`
	changePolicy = `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: s%[1]d}
spec: {host: s%[1]d.test, trafficPolicy: {connectionPool: {tcp: {maxConnections: %[3]d}}}}
`
	changeRule = `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s%[1]d}
spec: {hosts: [s%[1]d.test], http: [{timeout: %[3]ds, route: [{destination: {host: s%[1]d.test, port: {number: %[2]d}}}]}]}
`
)

// changeCost compares what one change takes in a small mesh and in a large one: from its document to the acknowledgement of
// one fake proxy.
func (b *bench) changeCost(ctx context.Context) error {
	small, err := b.changeCosts(ctx, changeSmall)
	if err != nil {
		return err
	}
	large, err := b.changeCosts(ctx, changeLarge)
	if err != nil {
		return err
	}
	worst, note := 0.0, ""
	for _, kind := range sortedNames(small) {
		ratio := large[kind] / small[kind]
		note += fmt.Sprintf("%s %.2f of %.2f ms; ", kind, large[kind], small[kind])
		worst = max(worst, ratio)
	}
	b.add("xds.change_cost_ratio", worst, "ratio", note+"processor time of one change at 10,000 services and at 100, medians of rounds, the worst kind; target: at most 2")
	return nil
}

func (b *bench) changeCosts(ctx context.Context, services int) (costs map[string]float64, err error) {
	s, err := startBare(ctx, b.env)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	port := func(i int) int { return benchPort + i/changeTable }
	var text strings.Builder
	var tables []string
	for i := range services {
		if i%changeTable == 0 {
			tables = append(tables, fmt.Sprint(port(i)))
		}
		for _, format := range []string{changeEntry, changePolicy, changeRule} {
			fmt.Fprintf(&text, format, i, port(i), 1)
		}
	}
	docs, problems := config.Parse(config.File{Name: "bench", Data: []byte(text.String())})
	if err := problems.Err(); err != nil {
		return nil, err
	}
	settings := model.ExactMesh()
	settings.Capture = model.CaptureRedirect
	var builder config.Builder
	set := config.Set{}.With(docs...)
	snap, problems := builder.Build(set, model.Snapshot{Mesh: settings}, nil)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	proxy := benchSidecar(model.Workload{})
	if _, err := s.Apply(ctx, serve.Change{Snapshot: &snap, Proxies: []*model.Proxy{proxy}}); err != nil {
		return nil, err
	}
	if err := s.connect(ctx, proxy.ID, tables...); err != nil {
		return nil, err
	}
	if err := s.WaitLive(ctx, proxy.ID); err != nil {
		return nil, err
	}
	n := 0
	change := func(format string) error {
		n++
		docs, problems := config.Parse(benchFile("change", format, 1, port(1), 2+n%2))
		set = set.With(docs...)
		next, more := builder.Build(set, snap, nil)
		problems.Add(more...)
		if err := problems.Err(); err != nil {
			return err
		}
		snap = next
		report, err := s.Apply(ctx, serve.Change{Snapshot: &snap})
		if err == nil && len(report.Proxies) != 1 {
			err = errors.New("a change reached nobody")
		}
		return err
	}
	costs = map[string]float64{}
	marshals, changed := s.Marshals(), s.received.Changed.Load()
	for _, kind := range []struct{ name, format string }{{"cluster", changePolicy}, {"endpoint", changeEntry}, {"route", changeRule}} {
		// What the start left to the garbage collector is not the changes'.
		runtime.GC()
		var rounds []float64
		for range changeRounds {
			cpu := processorTime()
			for range changeCount {
				if err := change(kind.format); err != nil {
					return nil, fmt.Errorf("%s: %w", kind.name, err)
				}
			}
			rounds = append(rounds, milliseconds(processorTime()-cpu)/changeCount)
		}
		costs[kind.name] = median(rounds)
	}
	if services == changeLarge {
		marshalled, resources := float64(s.Marshals()-marshals)/float64(n), float64(s.received.Changed.Load()-changed)/float64(n)
		b.compare("xds.marshals_per_change", marshalled, "marshals", &resources, "the baseline is the number of resources that changed at the proxy")
		if marshalled != resources {
			b.wrong = append(b.wrong, fmt.Sprintf("%.2f marshals for %.2f changed resources", marshalled, resources))
		}
	}
	return costs, nil
}
