// Package unixhttp is how squall's own processes talk: JSON over HTTP over a Unix socket, which only its user may reach.
package unixhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Client calls the process at the other end of a socket. It keeps no connection open.
type Client struct {
	what, socket string
	http         http.Client
}

// NewClient gives a client for the socket's path; what is the process in errors: "the control plane".
func NewClient(what, socket string) *Client { return NewClientThrough(nil, what, socket) }

// NewClientThrough is NewClient with another way to connect, for sockets elsewhere; nil is the usual one.
func NewClientThrough(connect func(ctx context.Context, network, address string) (net.Conn, error), what, socket string) *Client {
	if connect == nil {
		connect = new(net.Dialer).DialContext
	}
	return &Client{what: what, socket: socket, http: http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return connect(ctx, "unix", socket) },
	}}}
}

// Call sends in, if it is not nil, and reads the answer into out, if that is not nil. Any status but 200 is an error with the text
// of the answer.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://unix"+path, body)
	if err != nil {
		return fmt.Errorf("%s: %w", c.what, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s at %s does not answer: %w", c.what, c.socket, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("the answer of %s broke off: %w", c.what, err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(b)))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("the answer of %s: %w", c.what, err)
	}
	return nil
}

// Serve answers at a listener, which it closes, until the context ends; that is no error.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
