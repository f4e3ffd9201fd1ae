package mesh

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/unixhttp"
	"github.com/squallmesh/squall/mesh/xds/serve"
)

// Client talks to a control plane through its Unix socket. It keeps no connection open.
type Client struct{ api *unixhttp.Client }

// NewClient gives a client for the socket's path.
func NewClient(socket string) *Client { return NewClientThrough(nil, socket) }

// NewClientThrough is NewClient with another way to connect, for a control plane elsewhere; nil is the usual one.
func NewClientThrough(connect func(ctx context.Context, network, address string) (net.Conn, error), socket string) *Client {
	return &Client{unixhttp.NewClientThrough(connect, "the control plane", socket)}
}

// ApplyError says that a change did not become effective.
type ApplyError struct {
	// Kind is KindInvalid, KindRejected, KindLate or KindFailed.
	Kind, Message string
}

func (e *ApplyError) Error() string { return e.Message }

// Apply changes the mesh and returns when that is effective. The response is there with an *ApplyError too.
func (c *Client) Apply(ctx context.Context, req ApplyRequest) (ApplyResponse, error) {
	return c.change(ctx, http.MethodPost, "/v1/apply", req)
}

// SetLease declares, arms or disarms the fault of a slot; nil removes it.
func (c *Client) SetLease(ctx context.Context, slot int, fault *model.LeasedFault) (ApplyResponse, error) {
	return c.change(ctx, http.MethodPut, fmt.Sprintf("/v1/leases/%d", slot), LeaseRequest{Fault: fault})
}

func (c *Client) change(ctx context.Context, method, path string, req any) (ApplyResponse, error) {
	var resp ApplyResponse
	if err := c.api.Call(ctx, method, path, req, &resp); err != nil {
		return resp, err
	}
	if resp.Error != "" {
		return resp, &ApplyError{Kind: resp.Kind, Message: resp.Error}
	}
	return resp, nil
}

// Renew keeps armed faults alive.
func (c *Client) Renew(ctx context.Context, slots ...int) error {
	return c.api.Call(ctx, http.MethodPost, "/v1/leases/renew", slots, nil)
}

// Faults lists the faults of scenarios that are armed, by slot.
func (c *Client) Faults(ctx context.Context) ([]model.LeasedFault, error) {
	var out []model.LeasedFault
	return out, c.api.Call(ctx, http.MethodGet, "/v1/leases", nil, &out)
}

// WaitLive waits until the proxies are connected and hold the newest configuration.
func (c *Client) WaitLive(ctx context.Context, ids ...string) error {
	return c.api.Call(ctx, http.MethodPost, "/v1/live", ids, nil)
}

// Status lists the proxies.
func (c *Client) Status(ctx context.Context) ([]serve.Status, error) {
	var out []serve.Status
	return out, c.api.Call(ctx, http.MethodGet, "/v1/status", nil, &out)
}

// Services gives the address of each service by its host, empty where it has none. It does not wait for a change that is under way.
func (c *Client) Services(ctx context.Context) (map[string]string, error) {
	var out map[string]string
	return out, c.api.Call(ctx, http.MethodGet, "/v1/services", nil, &out)
}

// Roots gives the certificates that the authority's are known by, in PEM; empty is a mesh without identities.
func (c *Client) Roots(ctx context.Context) (pem string, err error) {
	return pem, c.api.Call(ctx, http.MethodGet, "/v1/roots", nil, &pem)
}

// Documents lists what is applied.
func (c *Client) Documents(ctx context.Context) ([]Reference, error) {
	var out []Reference
	return out, c.api.Call(ctx, http.MethodGet, "/v1/documents", nil, &out)
}
