package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry/addons"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
	"github.com/squallmesh/squall/mesh/telemetry/graph"
	"github.com/squallmesh/squall/mesh/telemetry/istio"
	"github.com/squallmesh/squall/reports"
)

// refreshGraph is how often the page of the service graph asks for a new one, in seconds.
const refreshGraph = 5

// members is what the add-ons know of a mesh.
type members interface{ Instances() []*platform.Instance }

// openedAddons are a lab's add-ons at their address.
type openedAddons struct {
	*addons.Server
	Address  string
	listener net.Listener
}

// openAddons opens them on a loopback address of the kernel's choice; in a lab of pods, people reach them there as well as its gateway.
func openAddons(ctx context.Context, lab members, c *collect.Collector, dir string) (*openedAddons, error) {
	byAddress := func(address string) (istio.Peer, bool) {
		return peerOf(lab, func(i *platform.Instance) bool { return i.Address == address })
	}
	byProxy := func(id string) (istio.Peer, bool) {
		return peerOf(lab, func(i *platform.Instance) bool { return i.ID() == id })
	}
	server, err := addons.New(addons.Options{
		Collector: c, Dir: filepath.Join(dir, "metrics"),
		Metrics: istio.Options{Peers: byAddress, Proxies: byProxy},
		Members: func() []graph.Member {
			var out []graph.Member
			for _, i := range lab.Instances() {
				out = append(out, graph.MemberOf(i.Name, i.Owner, i.Labels, i.Address, i.ID()))
			}
			return out
		},
		Picture: func(g graph.Graph) string { return reports.GraphPage(g, refreshGraph) },
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // says what it is
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("add-ons: %w", err), server.Close())
	}
	return &openedAddons{Server: server, Address: listener.Addr().String(), listener: listener}, nil
}

// Serve answers until the context ends.
func (o *openedAddons) Serve(ctx context.Context) error { return o.Server.Serve(ctx, o.listener) }

// Close frees what is held, also if Serve was never called.
func (o *openedAddons) Close() error {
	_ = o.listener.Close() // after Serve it is closed already
	return o.Server.Close()
}

func peerOf(lab members, is func(*platform.Instance) bool) (istio.Peer, bool) {
	for _, i := range lab.Instances() {
		if is(i) {
			return istio.PeerOf(i.Owner, i.Namespace, i.Labels), true
		}
	}
	return istio.Peer{}, false
}
