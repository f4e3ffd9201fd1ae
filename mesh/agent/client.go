package agent

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/squallmesh/squall/mesh/relay"
	"github.com/squallmesh/squall/mesh/unixhttp"
)

// Client gives an agent orders. It keeps no connection open.
type Client struct{ api *unixhttp.Client }

// NewClient gives a client for the agent at a socket, reached by connect.
func NewClient(connect func(ctx context.Context, network, address string) (net.Conn, error), what, socket string) *Client {
	return &Client{unixhttp.NewClientThrough(connect, "the agent of "+what, socket)}
}

// Status is how its process fares.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.api.Call(ctx, http.MethodGet, "/v1/status", nil, &s)
}

// Ended waits until the process ends by itself. An error: the agent itself is gone.
func (c *Client) Ended(ctx context.Context) (s Status, err error) {
	return s, c.api.Call(ctx, http.MethodGet, "/v1/ended", nil, &s)
}

// Run starts a process in place of the one that runs.
func (c *Client) Run(ctx context.Context, s Spec) error {
	return c.api.Call(ctx, http.MethodPut, "/v1/process", s, nil)
}

// Reset ends the process and all relays: the agent is as it was at its start.
func (c *Client) Reset(ctx context.Context) error {
	return c.api.Call(ctx, http.MethodPost, "/v1/reset", nil, nil)
}

// Act asks for one of the actions, and gives the process's status afterwards.
func (c *Client) Act(ctx context.Context, action string) (s Status, err error) {
	return s, c.api.Call(ctx, http.MethodPost, "/v1/process/"+action, nil, &s)
}

// Renew keeps broken what is, for another LeaseTime.
func (c *Client) Renew(ctx context.Context) error {
	return c.api.Call(ctx, http.MethodPut, "/v1/lease", nil, nil)
}

// Strains are the times, since one, in which the process waited for a processor.
func (c *Client) Strains(ctx context.Context, since time.Time) (out []Strain, err error) {
	return out, c.api.Call(ctx, http.MethodGet, "/v1/strains/"+since.UTC().Format(time.RFC3339Nano), nil, &out)
}

// Certify says anew who the workload is, by a token.
func (c *Client) Certify(ctx context.Context, token string) error {
	return c.api.Call(ctx, http.MethodPut, "/v1/token", token, nil)
}

// OpenRelay makes a relay, unless it is there.
func (c *Client) OpenRelay(ctx context.Context, r Relay) error {
	return c.api.Call(ctx, http.MethodPost, "/v1/relays", r, nil)
}

// SetFault breaks a relay under an id.
func (c *Client) SetFault(ctx context.Context, listen, id string, f relay.Fault) error {
	return c.api.Call(ctx, http.MethodPut, "/v1/relays/"+listen+"/"+url.PathEscape(id), f, nil)
}

// ClearFault mends what was broken under an id, at all relays.
func (c *Client) ClearFault(ctx context.Context, id string) error {
	return c.api.Call(ctx, http.MethodDelete, "/v1/faults/"+url.PathEscape(id), nil, nil)
}

// Met counts what a relay saw.
func (c *Client) Met(ctx context.Context, listen string) (m Met, err error) {
	return m, c.api.Call(ctx, http.MethodGet, "/v1/relays/"+listen, nil, &m)
}
