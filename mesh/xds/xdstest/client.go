// Package xdstest tests discovery from both ends: proxies that are none (Client, FullClient), which speak a variant of the
// protocol as Envoy does and answer only when they are told to, and a server with one real Envoy (Single).
package xdstest

import (
	"context"
	"fmt"
	"maps"
	"net"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/squallmesh/squall/mesh/xds/translate"
)

// Client is one proxy's stream. It is for one goroutine.
type Client struct {
	id     string
	conn   *grpc.ClientConn
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	first  bool
	// Held are the versions of what the proxy has, by type and name.
	Held map[translate.Type]map[string]string
}

// Connect opens a stream to a server's Unix socket. held is what the proxy still has from an earlier stream, or nil.
func Connect(ctx context.Context, socket, id string, held map[translate.Type]map[string]string) (*Client, error) {
	conn, err := dial(socket)
	if err != nil {
		return nil, err
	}
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	if err != nil {
		return nil, fmt.Errorf("fake proxy: %w", err)
	}
	c := &Client{id: id, conn: conn, stream: stream, first: true, Held: map[translate.Type]map[string]string{}}
	for typ := range translate.NumTypes {
		c.Held[typ] = map[string]string{}
		maps.Copy(c.Held[typ], held[typ])
	}
	return c, nil
}

func dial(socket string) (*grpc.ClientConn, error) {
	var d net.Dialer
	conn, err := grpc.NewClient("passthrough:///"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, path string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) }))
	if err != nil {
		return nil, fmt.Errorf("fake proxy: %w", err)
	}
	return conn, nil
}

// Close ends the stream.
func (c *Client) Close() error { return c.conn.Close() }

func (c *Client) send(req *discoveryv3.DeltaDiscoveryRequest) error {
	if c.first {
		req.Node = &corev3.Node{Id: c.id}
		c.first = false
	}
	return c.stream.Send(req)
}

// Subscribe asks for resources by name, or for all of a type without names.
func (c *Client) Subscribe(typ translate.Type, names ...string) error {
	req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typ.URL(), ResourceNamesSubscribe: names}
	if len(c.Held[typ]) > 0 {
		req.InitialResourceVersions = c.Held[typ]
	}
	return c.send(req)
}

// Response is what came, with its type.
type Response struct {
	Type translate.Type
	*discoveryv3.DeltaDiscoveryResponse
}

// Next waits for the next response.
func (c *Client) Next() (Response, error) {
	r, err := c.stream.Recv()
	if err != nil {
		return Response{}, err
	}
	typ, ok := translate.TypeOf(r.GetTypeUrl())
	if !ok {
		return Response{}, fmt.Errorf("unknown type %s", r.GetTypeUrl())
	}
	return Response{typ, r}, nil
}

// Ack takes a response. New clusters are followed by a subscription to their endpoints, as Envoy does it.
func (c *Client) Ack(r Response) error {
	for _, res := range r.GetResources() {
		c.Held[r.Type][res.GetName()] = res.GetVersion()
	}
	for _, name := range r.GetRemovedResources() {
		delete(c.Held[r.Type], name)
	}
	return c.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()})
}

// Nack refuses a response.
func (c *Client) Nack(r Response, message string) error {
	return c.send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce(), ErrorDetail: &rpcstatus.Status{Code: 13, Message: message},
	})
}

// EDSNames lists the clusters of a response that want endpoints.
func EDSNames(r Response) ([]string, error) {
	var out []string
	for _, res := range r.GetResources() {
		var c clusterv3.Cluster
		if err := res.GetResource().UnmarshalTo(&c); err != nil {
			return nil, fmt.Errorf("cluster %s: %w", res.GetName(), err)
		}
		if c.GetType() == clusterv3.Cluster_EDS {
			out = append(out, c.GetName())
		}
	}
	return out, nil
}
