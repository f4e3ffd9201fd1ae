package envoy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/envoy"
)

func TestBootstrap(t *testing.T) {
	b, err := envoy.Bootstrap(envoy.BootstrapOptions{
		NodeID: "sidecar~reviews", Admin: "unix:///tmp/a.sock",
		XDS: "unix:///tmp/x.sock", AccessLog: "127.0.0.1:9001", Zipkin: "collector.lab:9411",
		InitialFetchTimeout: -1, Leases: 2, SourceAddress: "127.0.0.5", SocketMark: 1337,
		Runtime: map[string]any{"tracing.zipkin.min_flush_spans": nil, "overload.x": true},
	})
	require.NoError(t, err)
	require.NoError(t, b.ValidateAll())
	assert.Equal(t, "sidecar~reviews", b.GetNode().GetCluster(), "the node's cluster defaults to its id")
	assert.EqualValues(t, 0o600, b.GetAdmin().GetAddress().GetPipe().GetMode())

	ads := b.GetDynamicResources().GetAdsConfig()
	assert.Equal(t, corev3.ApiConfigSource_DELTA_GRPC, ads.GetApiType())
	assert.Zero(t, b.GetDynamicResources().GetLdsConfig().GetInitialFetchTimeout().AsDuration())
	assert.NotNil(t, b.GetDynamicResources().GetLdsConfig().GetInitialFetchTimeout(), "0s and not unset: for ever")

	var names []string
	for _, c := range b.GetStaticResources().GetClusters() {
		names = append(names, c.GetName()+" "+c.GetType().String())
	}
	assert.Equal(t, []string{"xds-grpc STATIC", "als-grpc STATIC", "zipkin STRICT_DNS"}, names)

	var layers []string
	for _, l := range b.GetLayeredRuntime().GetLayers() {
		layers = append(layers, l.GetName())
	}
	assert.Equal(t, []string{"global config", "lease-0", "lease-1", "admin"}, layers)
	assert.Equal(t, map[string]any{
		"tracing.zipkin.flush_interval_ms": 50.0, "tracing.opentelemetry.flush_interval_ms": 50.0, "tracing.opentelemetry.min_flush_spans": 1.0, "overload.x": true,
	},
		b.GetLayeredRuntime().GetLayers()[0].GetStaticLayer().AsMap())
	assert.EqualValues(t, 1337, b.GetClusterManager().GetUpstreamBindConfig().GetSocketOptions()[0].GetIntValue())
}

func TestBootstrapTellsAllMistakesAtOnce(t *testing.T) {
	long := "unix:///" + strings.Repeat("long/", 30) + "admin.sock"
	_, err := envoy.Bootstrap(envoy.BootstrapOptions{
		Admin: long, AccessLog: "nowhere", Zipkin: ":9411", Leases: 3, SourceAddress: "here",
		Runtime: map[string]any{"x": struct{}{}}, MaxDownstreamConnections: -1,
	})
	for _, want := range []string{
		"NodeID: it is empty", "has 161 bytes, the system allows", "als-grpc: address \"nowhere\": missing port in address: write host:port", "zipkin: address \":9411\" has no host",
		"Leases: they come from the control plane", "\"here\" is not an IP address", "invalid type: struct {}", "-1 is negative",
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestStartErrors(t *testing.T) {
	owner := newOwner(t)
	dir := t.TempDir()
	good := envoy.Options{Binary: envoy.Binary{Path: "/no/such/envoy"}, Dir: dir, Bootstrap: staticBootstrap("/tmp")}
	_, err := envoy.Start(t.Context(), owner, good)
	require.ErrorIs(t, err, os.ErrNotExist)

	absent := good
	absent.Dir = filepath.Join(dir, "absent")
	_, err = envoy.Start(t.Context(), owner, absent)
	require.ErrorContains(t, err, "write its bootstrap")

	noDir := good
	noDir.Dir = ""
	_, err = envoy.Start(t.Context(), owner, noDir)
	require.ErrorContains(t, err, "Options.Dir is empty")
}
