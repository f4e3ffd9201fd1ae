package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
)

// Some measurements need a discovery server in this process, with one Envoy: no API of the control plane stands between
// its acknowledgement and the request.

// withSingle runs f with a server and an Envoy, and ends both.
func (b *bench) withSingle(ctx context.Context, o xdstest.SingleOptions, f func(*xdstest.Single) error) (err error) {
	owner, dir, err := newOwner(b.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, owner.Close()) }()
	o.Owner, o.Binary, o.Dir = owner, b.binary, dir
	s, err := xdstest.StartSingle(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(s)
}

// benchBackend is an HTTP server in this process that says its name.
type benchBackend struct {
	http.Server
	at model.Socket
}

func startBackend(ctx context.Context, name string) (*benchBackend, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := l.Addr().(*net.TCPAddr)
	b := &benchBackend{at: model.Socket{Address: a.IP.String(), Port: uint32(a.Port)}}
	b.ReadHeaderTimeout = time.Minute
	b.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("x-backend", name) })
	go func() { _ = b.Serve(l) }() // ends with Close
	return b, nil
}

// startBackends starts the two between which changes flip.
func startBackends(ctx context.Context) (list []*benchBackend, stop func(), err error) {
	stop = func() {
		for _, b := range list {
			_ = b.Close()
		}
	}
	for _, name := range benchBackends {
		b, err := startBackend(ctx, name)
		if err != nil {
			stop()
			return nil, nil, err
		}
		list = append(list, b)
	}
	return list, stop, nil
}

// freePorts are ports of 127.0.0.1 on which nobody listens.
func freePorts(ctx context.Context, n int) ([]uint32, error) {
	var out []uint32
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all at the end, so that they differ
		out = append(out, uint32(l.Addr().(*net.TCPAddr).Port))
	}
	return out, nil
}

const benchPort = 8080

// benchSnapshot is a mesh of one service for each list of endpoints: host-0.test, host-1.test ...
func benchSnapshot(settings *model.Mesh, protocol model.Protocol, hosts ...[]model.Endpoint) model.Snapshot {
	s := model.Snapshot{Mesh: settings}
	for i, list := range hosts {
		host := fmt.Sprintf("host-%d.test", i)
		s.Services = s.Services.Set(host, &model.Service{
			Host: host, Namespace: "default", Resolution: model.Static,
			Ports: []model.Port{{Name: "port", Number: benchPort, Protocol: protocol}},
		})
		s.Endpoints = s.Endpoints.Set(host, &model.Endpoints{Host: host, List: list})
	}
	return s
}

func (b *benchBackend) endpoint() model.Endpoint {
	return model.Endpoint{Address: b.at.Address, Ports: map[uint32]uint32{benchPort: b.at.Port}}
}

func benchSidecar(w model.Workload) *model.Proxy {
	w.Name, w.Namespace, w.Address = "caller", "default", "127.0.0.1"
	return &model.Proxy{ID: "sidecar~caller.default", Kind: model.Sidecar, Workload: &w}
}
