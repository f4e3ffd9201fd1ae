package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
)

// inPlace changes one TCP listener again and again: its route leads to the one backend or the other, and a TCP route is
// part of its listener. New connections must see it.
func (b *bench) inPlace(ctx context.Context) error {
	backends, stop, err := startBackends(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for _, workers := range []int{1, 4} {
		ports, err := freePorts(ctx, 1)
		if err != nil {
			return err
		}
		base := benchSnapshot(model.ExactMesh(), model.TCP, []model.Endpoint{backends[0].endpoint()}, []model.Endpoint{backends[1].endpoint()})
		var snaps []model.Snapshot
		for i := range backends {
			snaps = append(snaps, base.WithVirtualService(&model.VirtualService{
				Name: "flip", Namespace: "default", Hosts: []string{"host-0.test"}, Gateways: []string{model.MeshGateway},
				TCP: []*model.TCPRoute{{Destinations: []*model.Destination{{Host: fmt.Sprintf("host-%d.test", i), Port: benchPort}}}},
			}))
		}
		o := xdstest.SingleOptions{
			Snapshot: snaps[0], Workers: workers, DrainTime: time.Second,
			Proxy: benchSidecar(model.Workload{Outbound: []model.OutboundTCP{
				{Host: "host-0.test", Port: benchPort, Listen: model.Socket{Address: "127.0.0.1", Port: ports[0]}},
			}}),
		}
		var times []float64
		err = b.withSingle(ctx, o, func(s *xdstest.Single) error {
			for n := range b.listenerFlips {
				begin := time.Now()
				if err := applyWithin(ctx, s, serve.Change{Snapshot: &snaps[(n+1)%2]}); err != nil {
					return err
				}
				times = append(times, milliseconds(time.Since(begin)))
				stale := 0
				if answer := rawGet(ctx, ports[0]); !strings.Contains(answer, benchBackends[(n+1)%2]) {
					stale = 1
				}
				b.count("listener_in_place", stale, 1)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%d workers: %w", workers, err)
		}
		b.effective = append(b.effective, times...)
		b.addP99(fmt.Sprintf("barrier.effective_p99_ms.listener_in_place.w%d", workers), times, "one Envoy, a TCP route in the listener")
	}
	return nil
}

func applyWithin(ctx context.Context, s *xdstest.Single, c serve.Change) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := s.Apply(ctx, c)
	return err
}

// rawGet makes a connection and a request without the machinery of an HTTP client, and gives the head of the answer, or ""
// if there was none.
func rawGet(ctx context.Context, port uint32) string {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return ""
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: host-0.test\r\n\r\n")); err != nil {
		return ""
	}
	buf := make([]byte, 4096)
	n, _ := c.Read(buf)
	return string(buf[:n])
}

// protocolAt says whether a listener spoke HTTP, by the headers that Envoy adds, or passed bytes on; "" if the
// connection was cut.
func protocolAt(ctx context.Context, port uint32) model.Protocol {
	answer := strings.ToLower(rawGet(ctx, port))
	switch {
	case answer == "":
		return ""
	case strings.Contains(answer, "x-envoy-"):
		return model.HTTP
	}
	return model.TCP
}
