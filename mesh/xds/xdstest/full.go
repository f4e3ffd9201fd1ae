package xdstest

import (
	"context"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"

	"github.com/squallmesh/squall/mesh/xds/translate"
)

// FullClient is Client for the state-of-the-world variant: every request names all that is wanted, and every response of
// clusters or listeners has all of them.
type FullClient struct {
	id     string
	conn   *grpc.ClientConn
	stream discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	first  bool
	last   [translate.NumTypes]*discoveryv3.DiscoveryRequest
}

// ConnectFull opens a state-of-the-world stream to a server's Unix socket.
func ConnectFull(ctx context.Context, socket, id string) (*FullClient, error) {
	conn, err := dial(socket)
	if err != nil {
		return nil, err
	}
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	if err != nil {
		return nil, fmt.Errorf("fake proxy: %w", err)
	}
	return &FullClient{id: id, conn: conn, stream: stream, first: true}, nil
}

// Close ends the stream.
func (c *FullClient) Close() error { return c.conn.Close() }

func (c *FullClient) send(typ translate.Type, req *discoveryv3.DiscoveryRequest) error {
	if c.first {
		req.Node = &corev3.Node{Id: c.id}
		c.first = false
	}
	c.last[typ] = req
	return c.stream.Send(req)
}

// Subscribe asks for exactly these names from now on, or for all of a type without names.
func (c *FullClient) Subscribe(typ translate.Type, names ...string) error {
	return c.send(typ, &discoveryv3.DiscoveryRequest{
		TypeUrl: typ.URL(), ResourceNames: names,
		VersionInfo: c.last[typ].GetVersionInfo(), ResponseNonce: c.last[typ].GetResponseNonce(),
	})
}

// FullResponse is what came, with its type and the names of its resources.
type FullResponse struct {
	Type  translate.Type
	Names []string
	*discoveryv3.DiscoveryResponse
}

// Next waits for the next response.
func (c *FullClient) Next() (FullResponse, error) {
	r, err := c.stream.Recv()
	if err != nil {
		return FullResponse{}, err
	}
	typ, ok := translate.TypeOf(r.GetTypeUrl())
	if !ok {
		return FullResponse{}, fmt.Errorf("unknown type %s", r.GetTypeUrl())
	}
	out := FullResponse{Type: typ, DiscoveryResponse: r}
	for _, a := range r.GetResources() {
		m, err := a.UnmarshalNew()
		if err != nil {
			return out, fmt.Errorf("resource of %s: %w", typ, err)
		}
		switch m := m.(type) {
		case interface{ GetClusterName() string }:
			out.Names = append(out.Names, m.GetClusterName())
		case interface{ GetName() string }:
			out.Names = append(out.Names, m.GetName())
		}
	}
	return out, nil
}

// Ack takes a response.
func (c *FullClient) Ack(r FullResponse) error {
	return c.send(r.Type, &discoveryv3.DiscoveryRequest{
		TypeUrl: r.GetTypeUrl(), ResourceNames: c.last[r.Type].GetResourceNames(),
		VersionInfo: r.GetVersionInfo(), ResponseNonce: r.GetNonce(),
	})
}

// Nack refuses a response.
func (c *FullClient) Nack(r FullResponse, message string) error {
	return c.send(r.Type, &discoveryv3.DiscoveryRequest{
		TypeUrl: r.GetTypeUrl(), ResourceNames: c.last[r.Type].GetResourceNames(),
		VersionInfo: c.last[r.Type].GetVersionInfo(), ResponseNonce: r.GetNonce(),
		ErrorDetail: &rpcstatus.Status{Code: 13, Message: message},
	})
}
