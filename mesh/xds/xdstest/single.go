package xdstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/proc"
	"github.com/squallmesh/squall/mesh/xds/serve"
)

// SingleOptions of StartSingle. Owner, Binary, Dir, Snapshot and Proxy are required.
type SingleOptions struct {
	// Owner ends the Envoy, whatever happens.
	Owner  *proc.Owner
	Binary envoy.Binary
	// Dir is an existing folder with a short path, for this Envoy alone.
	Dir      string
	Snapshot model.Snapshot
	Proxy    *model.Proxy
	// Workers is the number of Envoy's worker threads; 0 takes 1.
	Workers int
	// DrainTime of old listeners; 0 takes Envoy's default of this project, negative means none.
	DrainTime time.Duration
	// SDS is where the Envoy finds its certificate, as in envoy.BootstrapOptions; empty is nowhere.
	SDS string
	// StateOfTheWorld takes this variant of the protocol instead of the delta one.
	StateOfTheWorld bool
	// Register adds services beside discovery, see serve.Options.
	Register func(grpc.ServiceRegistrar)
	// Observe is told of the Envoy's answers, see serve.Options.
	Observe func(serve.Answer)
}

// Single is a discovery server in this process and one real Envoy that it keeps.
type Single struct {
	*serve.Server
	Envoy *envoy.Envoy

	stop   context.CancelFunc
	served chan error
}

// StartSingle returns when the Envoy has its configuration and is ready.
func StartSingle(ctx context.Context, o SingleOptions) (_ *Single, err error) {
	var lc net.ListenConfig
	socket := filepath.Join(o.Dir, "xds.sock")
	l, err := lc.Listen(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("discovery service: %w", err)
	}
	admin := "unix://" + filepath.Join(o.Dir, "admin.sock")
	serving, stop := context.WithCancel(ctx)
	s := &Single{
		Server: serve.New(serve.Options{Admin: adminReader{envoy.NewAdmin(admin)}, Observe: o.Observe, Register: o.Register}),
		stop:   stop, served: make(chan error, 1),
	}
	go func() { s.served <- s.Serve(serving, l) }()
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if _, err := s.Apply(ctx, serve.Change{Snapshot: &o.Snapshot, Proxies: []*model.Proxy{o.Proxy}}); err != nil {
		return nil, err
	}
	s.Envoy, err = envoy.Start(ctx, o.Owner, envoy.Options{
		Binary: o.Binary, Dir: o.Dir, Concurrency: o.Workers, DrainTime: o.DrainTime,
		Bootstrap: envoy.BootstrapOptions{
			NodeID: o.Proxy.ID, Admin: admin, XDS: "unix://" + socket, StateOfTheWorld: o.StateOfTheWorld, Leases: model.LeaseSlots,
			SDS:       o.SDS,
			AccessLog: "unix://" + filepath.Join(o.Dir, "als.sock"), Zipkin: "unix://" + filepath.Join(o.Dir, "zipkin.sock"),
		},
	})
	if err != nil {
		return nil, err
	}
	if err := s.WaitLive(ctx, o.Proxy.ID); err != nil {
		return nil, err
	}
	return s, s.Envoy.Ready(ctx)
}

// Close ends the Envoy and the server, and waits for both.
func (s *Single) Close() error {
	var err error
	if s.Envoy != nil {
		err = s.Envoy.Process().Kill()
	}
	s.stop()
	return errors.Join(err, <-s.served)
}

// adminReader reads the one Envoy's statistics.
type adminReader struct{ admin *envoy.Admin }

func (a adminReader) Stat(ctx context.Context, _ *corev3.Node, name string) (uint64, error) {
	return a.admin.Stat(ctx, name)
}

func (a adminReader) Workers(ctx context.Context, _ *corev3.Node) (uint64, error) {
	return a.admin.Workers(ctx)
}
