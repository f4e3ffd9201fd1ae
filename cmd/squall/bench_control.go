package main

import (
	"context"
	"fmt"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
)

// control is the proof that a stale first request would be seen. A listener turns from TCP to HTTP and back; as HTTP it
// must fetch its routes before it serves, and Envoy acknowledges it before that. A connection that is made at the
// acknowledgement finds the old listener now and then; one that is made after the barrier never may.
func (b *bench) control(ctx context.Context) error {
	late, probes := 0, 0
	for _, workers := range []int{1, 4} {
		for _, ackOnly := range []bool{true, false} {
			stale, n, err := b.controlIn(ctx, workers, ackOnly)
			if err != nil {
				return err
			}
			if ackOnly {
				late += stale
				probes += n
			} else {
				b.count("listener", stale, n)
			}
		}
	}
	note := fmt.Sprintf("of %d connections made at the acknowledgement of a listener; after the barrier the same ones count in barrier.stale_first_requests.listener", probes)
	if late == 0 {
		note = "void: this machine cannot see a stale request; " + note
		b.wrong = append(b.wrong, "no stale request without the barrier, so its absence with it says nothing")
	}
	b.add("barrier.ack_only_stale_first_requests", float64(late), "requests", note)
	return nil
}

func (b *bench) controlIn(ctx context.Context, workers int, ackOnly bool) (stale, probes int, err error) {
	backends, stop, err := startBackends(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return 0, 0, err
	}
	acked := make(chan struct{}, 1)
	protocols := []model.Protocol{model.TCP, model.HTTP}
	var proxies []*model.Proxy
	for _, p := range protocols {
		proxies = append(proxies, benchSidecar(model.Workload{Inbound: []model.Inbound{{
			Host: "host-0.test", Port: benchPort, Protocol: p,
			Listen: model.Socket{Address: "127.0.0.1", Port: ports[0]}, App: backends[0].at,
		}}}))
	}
	o := xdstest.SingleOptions{
		Snapshot: benchSnapshot(model.ExactMesh(), model.HTTP), Proxy: proxies[0], Workers: workers,
		// Old listeners end at once, and with them their hold on the routes.
		DrainTime: -1,
		Observe: func(a serve.Answer) {
			if a.Type == "LDS" && !a.Rejected {
				select {
				case acked <- struct{}{}:
				default:
				}
			}
		},
	}
	err = b.withSingle(ctx, o, func(s *xdstest.Single) error {
		for n := range b.flips / 2 {
			select {
			case <-acked:
			default:
			}
			applied := make(chan error, 1)
			bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			go func() {
				_, err := s.Apply(bounded, serve.Change{Proxies: []*model.Proxy{proxies[(n+1)%2]}})
				applied <- err
			}()
			if ackOnly {
				select {
				case <-acked:
				case <-bounded.Done():
				}
			} else if err := <-applied; err != nil {
				return err
			}
			probes++
			if got := protocolAt(bounded, ports[0]); got != "" && got != protocols[(n+1)%2] {
				stale++
			}
			if ackOnly {
				if err := <-applied; err != nil {
					return err
				}
			}
		}
		return nil
	})
	return stale, probes, err
}
