package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/loadgen/pace"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/mesh/sim/topology"
	"github.com/squallmesh/squall/scenarios/virtual"
)

// The sizes of what is measured.
const (
	// pagesPerSecond of virtual time are asked of Bookinfo.
	pagesPerSecond = 1000
	// pageRounds of so many seconds of virtual time each.
	pageRounds, pageTime = 9, 200 * time.Second
	// callsPerSecond of virtual time happen between the thousand services; so many seconds of it are measured, after some to warm up.
	callsPerSecond               = 100_000
	thousandRounds, thousandWarm = 15, 5
	// heldPages are in flight at a time.
	heldPages = 20_000
)

// shop is Bookinfo in virtual time with pages asked of it at a constant rate.
type shop struct {
	*sim.Mesh
	good, bad int
}

// newShop has so many pages asked per second of virtual time.
func newShop(perSecond int) (*shop, error) {
	app, _, err := loadApp("bookinfo")
	if err != nil {
		return nil, err
	}
	var rules []config.File
	for _, name := range []string{"rules/bookinfo-gateway.yaml", "rules/destination-rule-all.yaml", "rules/virtual-service-reviews-v3.yaml"} {
		data, err := bookinfo.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		rules = append(rules, config.File{Name: name, Data: data})
	}
	mesh, gateway, err := virtual.NewMesh(app, rules, sim.Options{Seed: 1})
	if err != nil {
		return nil, err
	}
	s := &shop{Mesh: mesh}
	mesh.AddLoad(&sim.Load{
		Proxy: gateway, Timeout: time.Minute,
		Message: sim.Message{Request: match.Request{Method: "GET", Scheme: "http", Authority: "shop", Path: "/productpage"}},
		Due: func(n uint64) (time.Duration, bool) {
			return time.Duration(n) * time.Second / time.Duration(perSecond), true
		},
		Done: func(v sim.Visit) {
			if mesh.Answer(v.Answer).Status == 200 {
				s.good++
			} else {
				s.bad++
			}
		},
	})
	return s, nil
}

// simPages measures Bookinfo's product page.
func (b *bench) simPages(ctx context.Context) error {
	s, err := newShop(pagesPerSecond)
	if err != nil {
		return err
	}
	var pages, events []float64
	for range pageRounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		good, fired, before := s.good, s.Events(), processorTime()
		if err := s.Run(s.Now()+pageTime, nil); err != nil {
			return err
		}
		took := (processorTime() - before).Seconds()
		pages = append(pages, float64(s.good-good)/took)
		events = append(events, float64(s.Events()-fired)/took)
	}
	if s.bad > 0 {
		b.wrong = append(b.wrong, fmt.Sprintf("sim.pages_per_second: %d of %d simulated pages failed", s.bad, s.bad+s.good))
	}
	b.add("sim.pages_per_second", median(pages), "1/s", fmt.Sprintf(
		"Bookinfo's product page (eight proxies' requests) at %d pages per simulated second, without logs, per second of processor time; median of %d rounds, the best %.0f thousand; target: at least 100,000",
		pagesPerSecond, pageRounds, slices.Max(pages)/1e3))
	b.add("sim.mesh_events_per_second", median(events), "1/s", fmt.Sprintf(
		"the whole mesh model in the same rounds, the best %.1f million; target: at least 5 million", slices.Max(events)/1e6))
	return nil
}

// simThousand measures a large mesh against real time.
func (b *bench) simThousand(ctx context.Context) error {
	g := topology.Generated{Services: 1000, Layers: 6, Replicas: 10, MostCalls: 8, Skew: 1.2, Work: time.Millisecond, Seed: 1}
	t, err := topology.Generate(g)
	if err != nil {
		return err
	}
	m, err := t.Mesh(sim.Options{Seed: 1})
	if err != nil {
		return err
	}
	for i, rate := range g.Rates(t, callsPerSecond) {
		p := pace.NewPoisson(pace.Rate{Count: max(1, uint64(rate*1000)), Per: 1000 * time.Second}, 1, t.Services[i].Name)
		m.AddLoad(&sim.Load{Proxy: topology.Client, Message: t.Request(i), Timeout: time.Minute, Due: func(n uint64) (time.Duration, bool) { return p.Due(n), true }})
	}
	if err := m.Run(thousandWarm*time.Second, nil); err != nil {
		return err
	}
	runtime.GC()
	var ratios []float64
	events := m.Events()
	for range thousandRounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		before := processorTime()
		if err := m.Run(m.Now()+time.Second, nil); err != nil {
			return err
		}
		ratios = append(ratios, 1/(processorTime()-before).Seconds())
	}
	b.add("sim.realtime_ratio", median(ratios), "ratio", fmt.Sprintf(
		"simulated over processor time: %d services with %d instances each, %d calls between services a second, %.1f events a call; median of %d rounds, the best %.1f; peak memory of this process %.0f MiB; target: at least 5, in less than 2 GiB",
		g.Services, g.Replicas, callsPerSecond, float64(m.Events()-events)/thousandRounds/callsPerSecond, thousandRounds, slices.Max(ratios), peakMemory()/(1<<20)))
	runtime.KeepAlive(m)
	return nil
}

// simMemory measures what a page in flight takes.
func (b *bench) simMemory(context.Context) error {
	const delay = 2500 * time.Millisecond
	s, err := newShop(int(heldPages / delay.Seconds()))
	if err != nil {
		return err
	}
	if err := s.Run(time.Second, nil); err != nil {
		return err
	}
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	// Productpage would give reviews up after three seconds.
	const ratings = "ratings.default.svc.cluster.local"
	s.SetFaults(ratings, []*model.LeasedFault{{Host: ratings, Armed: true, Delay: &model.Delay{Fixed: delay, Percent: 100}}})
	if err := s.Run(s.Now()+delay-time.Millisecond, nil); err != nil {
		return err
	}
	pages, streams := s.Visits(), s.Streams()
	b.add("sim.bytes_per_request", float64(used()-before)/float64(streams), "B", fmt.Sprintf(
		"heap per request that a proxy has in flight, with connections, events and apps' work: %d pages in flight, %d requests at proxies", pages, streams))
	runtime.KeepAlive(s)
	return nil
}
