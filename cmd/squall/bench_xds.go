package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
)

// The size of the bare server's measurement.
const (
	bareProxies, bareServices, bareEndpoints = 1000, 200, 10
	// barePushes is how often one service's endpoints change.
	barePushes = 50
)

// bareServer is a discovery server in this process with proxies that are none: what discovery itself takes.
type bareServer struct {
	*serve.Server
	socket   string
	received xdstest.Received
	group    *errgroup.Group
	stop     context.CancelFunc
	dir      string
}

func startBare(ctx context.Context, env *environment) (*bareServer, error) {
	dir, err := os.MkdirTemp(env.tempDir, "squall-")
	if err != nil {
		return nil, fmt.Errorf("folder of the bench: %w", err)
	}
	s := &bareServer{Server: serve.New(serve.Options{}), socket: filepath.Join(dir, "xds.sock"), dir: dir}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", s.socket)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.group, ctx = errgroup.WithContext(ctx)
	s.group.Go(func() error { return s.Serve(ctx, l) })
	return s, nil
}

// connect plays a proxy until the server is closed.
func (s *bareServer) connect(ctx context.Context, id string, tables ...string) error {
	c, err := xdstest.Connect(ctx, s.socket, id, nil)
	if err != nil {
		return err
	}
	s.group.Go(func() error { return errors.Join(c.Keep(&s.received, tables...), c.Close()) })
	return nil
}

func (s *bareServer) close() error {
	s.stop()
	return errors.Join(s.group.Wait(), os.RemoveAll(s.dir))
}

// bare measures the start and the pushes of a discovery server alone.
func (b *bench) bare(ctx context.Context) (err error) {
	s, err := startBare(ctx, b.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	list := func(n int) []model.Endpoint {
		var out []model.Endpoint
		for i := range bareEndpoints {
			out = append(out, model.Endpoint{Address: fmt.Sprintf("127.1.%d.%d", n, i+1), Ports: map[uint32]uint32{benchPort: benchPort}})
		}
		return out
	}
	hosts := make([][]model.Endpoint, bareServices)
	for i := range hosts {
		hosts[i] = list(0)
	}
	snap := benchSnapshot(model.ExactMesh(), model.HTTP, hosts...)
	var proxies []*model.Proxy
	var ids []string
	for i := range bareProxies {
		p := benchSidecar(model.Workload{ProxyPort: 15001})
		p.ID = fmt.Sprintf("sidecar~caller-%d.default", i)
		proxies, ids = append(proxies, p), append(ids, p.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if _, err := s.Apply(ctx, serve.Change{Snapshot: &snap, Proxies: proxies}); err != nil {
		return err
	}
	begin, cpu := time.Now(), processorTime()
	for _, id := range ids {
		if err := s.connect(ctx, id, "http_proxy"); err != nil {
			return err
		}
	}
	if err := s.WaitLive(ctx, ids...); err != nil {
		return err
	}
	const note = "1,000 fake proxies in the same process, 200 services of 10 endpoints"
	b.add("xds.initial_seconds", time.Since(begin).Seconds(), "s", note)
	b.add("xds.initial_cpu_seconds", (processorTime() - cpu).Seconds(), "s", note+", whose work is included")

	cpu, bytes := processorTime(), s.received.Bytes.Load()
	var times []float64
	for n := range barePushes {
		snap.Endpoints = snap.Endpoints.Set("host-0.test", &model.Endpoints{Host: "host-0.test", List: list(n + 1)})
		report, err := s.Apply(ctx, serve.Change{Snapshot: &snap})
		if err != nil {
			return err
		}
		if len(report.Proxies) != bareProxies {
			return fmt.Errorf("a change of endpoints reached %d of %d proxies", len(report.Proxies), bareProxies)
		}
		for _, p := range report.Proxies {
			times = append(times, milliseconds(p.Acked))
		}
	}
	b.addP99("xds.push_p99_ms", times, "one service's endpoints, from apply to each proxy's acknowledgement; "+note)
	b.add("xds.push_cpu_seconds", (processorTime()-cpu).Seconds()/barePushes, "s", "one push to all; "+note+", whose work is included")
	b.add("xds.push_bytes_per_proxy", float64(s.received.Bytes.Load()-bytes)/barePushes/bareProxies, "B", "one service's endpoints")
	b.add("xds.peak_rss_bytes", peakMemory(), "B", "with the fake proxies")
	return nil
}

// xds measures discovery by itself. It is the first part, so that the peak of memory is its own.
func (b *bench) xds(ctx context.Context) error {
	if err := b.bare(ctx); err != nil {
		return err
	}
	return b.changeCost(ctx)
}

// median sorts the values.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
