package serve_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/xdstest"
	"github.com/squallmesh/squall/mesh/xds/xdstest/envoytest"
)

const tunnelHost = "many.default.svc.cluster.local"

// tunnelled is a mesh of one service that speaks gRPC on port 50051 and TLS on port 443, each at one of the endpoints.
func tunnelled(grpcPort, tlsPort uint32, rules ...*model.VirtualService) model.Snapshot {
	s := model.Snapshot{Mesh: model.ExactMesh()}
	s.Services = s.Services.Set(tunnelHost, &model.Service{
		Host: tunnelHost, Name: "many", Namespace: "default", Resolution: model.Static,
		Ports: []model.Port{{Name: "grpc", Number: 50051, Protocol: model.GRPC}, {Name: "https", Number: 443, Protocol: model.TCP}},
	})
	s.Endpoints = s.Endpoints.Set(tunnelHost, &model.Endpoints{Host: tunnelHost, List: []model.Endpoint{
		{Address: "127.0.0.1", Ports: map[uint32]uint32{50051: grpcPort, 443: tlsPort}},
	}})
	for _, r := range rules {
		s = s.WithVirtualService(r)
	}
	return s
}

func portOf(t *testing.T, a net.Addr) uint32 {
	t.Helper()
	return uint32(a.(*net.TCPAddr).Port)
}

// An app whose calls go to its sidecar by HTTPS_PROXY opens tunnels: rules hold for the gRPC requests in them, and TLS goes through as it is.
func TestTunnelsThroughTheProxy(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	app := grpc.NewServer()
	healthpb.RegisterHealthServer(app, health.NewServer())
	go func() { _ = app.Serve(l) }()
	t.Cleanup(app.Stop)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") }))
	t.Cleanup(secure.Close)

	grpcPort, tlsPort := portOf(t, l.Addr()), portOf(t, secure.Listener.Addr())
	proxy := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(envoytest.FreePort(t))))
	_, text, _ := net.SplitHostPort(proxy)
	port, _ := strconv.Atoi(text)
	s := envoytest.Single(t, os.Getenv("PATH"), xdstest.SingleOptions{
		Snapshot: tunnelled(grpcPort, tlsPort), Proxy: sidecarAt(uint32(port)),
	})
	apply := func(snap model.Snapshot) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := s.Apply(ctx, serve.Change{Snapshot: &snap})
		require.NoError(t, err)
	}

	conn, err := grpc.NewClient("passthrough:///"+tunnelHost+":50051", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, target string) (net.Conn, error) { return tunnel(ctx, proxy, target) }))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	check := func(headers ...string) error {
		_, err := healthpb.NewHealthClient(conn).Check(metadata.AppendToOutgoingContext(t.Context(), headers...), &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
		return err
	}
	require.NoError(t, check())

	apply(tunnelled(grpcPort, tlsPort, &model.VirtualService{
		Name: "many", Namespace: "default", Hosts: []string{tunnelHost}, Gateways: []string{model.MeshGateway},
		HTTP: []*model.HTTPRoute{
			{
				Match:          []*model.HTTPMatch{{Headers: []model.NamedMatch{{Name: "end-user", StringMatch: model.StringMatch{Kind: model.Exact, Value: "jason"}}}}},
				DirectResponse: &model.DirectResponse{Status: 403},
			},
			{Destinations: []*model.Destination{{Host: tunnelHost, Port: 50051}}},
		},
	}))
	require.Equal(t, codes.PermissionDenied, status.Code(check("end-user", "jason")), "the rule holds for a request in an open tunnel")
	require.NoError(t, check("end-user", "anna"))

	roots := secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	browser := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: proxy}),
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12},
	}}
	t.Cleanup(browser.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+tunnelHost, nil)
	require.NoError(t, err)
	resp, err := browser.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "secret", string(body))

	_, err = tunnel(t.Context(), proxy, "nobody.example.com:443")
	require.ErrorContains(t, err, "404", "a tunnel to what no service stands for is refused")
}

// tunnel asks a proxy for one.
func tunnel(ctx context.Context, proxy, target string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", proxy)
	if err != nil {
		return nil, err
	}
	answer, err := http.NewRequestWithContext(ctx, http.MethodConnect, "http://"+target, nil)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	answer.Host = target
	if err := answer.Write(c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	// The app speaks first in every protocol here, so nothing of the tunnel can stand behind the answer.
	resp, err := http.ReadResponse(bufio.NewReader(c), answer)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("the proxy says %s", resp.Status), resp.Body.Close(), c.Close())
	}
	return c, nil
}
