package envoy_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	runtimev3 "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/squallmesh/squall/mesh/envoy"
)

const runtimeType = "type.googleapis.com/envoy.service.runtime.v3.Runtime"

// adsStub answers every subscription: lease layers with one key, all else with nothing.
type adsStub struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	key     string
	streams chan struct{}
}

func (s *adsStub) DeltaAggregatedResources(stream grpc.BidiStreamingServer[discoveryv3.DeltaDiscoveryRequest, discoveryv3.DeltaDiscoveryResponse]) error {
	s.streams <- struct{}{}
	for {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		if req.GetResponseNonce() != "" && len(req.GetResourceNamesSubscribe()) == 0 {
			continue // an ACK
		}
		resp := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: req.GetTypeUrl(), Nonce: "n"}
		for _, name := range req.GetResourceNamesSubscribe() {
			if req.GetTypeUrl() != runtimeType {
				continue
			}
			layer, err := structpb.NewStruct(map[string]any{s.key + "." + name: 1})
			if err != nil {
				return err
			}
			resource := &discoveryv3.Resource{Name: name, Version: s.key}
			resource.Resource, err = anyOf(&runtimev3.Runtime{Name: name, Layer: layer})
			if err != nil {
				return err
			}
			resp.Resources = append(resp.Resources, resource)
		}
		if err := stream.Send(resp); err != nil {
			return err
		}
	}
}

// serveADS serves on a Unix socket until stop is called.
func serveADS(t *testing.T, socket, key string) (stub *adsStub, stop func()) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	stub = &adsStub{key: key, streams: make(chan struct{}, 16)}
	server := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, stub)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	return stub, func() { server.Stop(); <-done }
}

func TestControlPlane(t *testing.T) {
	dir := shortDir(t)
	socket := filepath.Join(dir, "xds.sock")
	_, stop := serveADS(t, socket, "first")
	e := run(t, func(o *envoy.Options) {
		o.Dir, o.Bootstrap = dir, staticBootstrap(dir)
		o.Bootstrap.XDS, o.Bootstrap.Leases = "unix://"+socket, 16
		o.Bootstrap.SourceAddress = "127.0.0.9" // must not hinder the Unix socket
	})
	r, err := e.Admin().Runtime(t.Context())
	require.NoError(t, err)
	assert.Len(t, r.Layers, 18)
	assert.Equal(t, "1", r.Values["first.lease-15"].Final)

	stop()
	require.NoError(t, e.Admin().Ready(t.Context()), "without its control plane Envoy goes on")
	require.Eventually(t, func() bool { // until the back-off has grown
		counters, err := e.Admin().Counters(t.Context(), "^cluster\\.xds-grpc\\.upstream_cx_connect_fail$")
		return err == nil && counters["cluster.xds-grpc.upstream_cx_connect_fail"] >= 6
	}, 10*time.Second, 10*time.Millisecond)
	again, stop := serveADS(t, socket, "second")
	defer stop()
	began := time.Now()
	<-again.streams
	assert.Less(t, time.Since(began), time.Second, "it comes back soon")
	t.Logf("a control plane that returned was dialled again after %s", time.Since(began))
	require.Eventually(t, func() bool {
		r, err := e.Admin().Runtime(t.Context())
		return err == nil && r.Values["second.lease-15"].Final == "1"
	}, 5*time.Second, 5*time.Millisecond)
	assert.Empty(t, warningsBut(e.Process().LogTail(100), "StreamAggregatedResources", "DeltaAggregatedResources"))
}
