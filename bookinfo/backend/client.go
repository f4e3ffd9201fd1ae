package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// Client steers a backend through its control socket. It keeps no connection, so it needs no closing, and survives a
// restart of the backend. Its methods may be called at the same time. Each returns an error when the backend cannot be
// reached, refuses, or ctx ends.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client of the backend whose control socket is at the path. It does not connect yet.
func NewClient(socket string) *Client { return NewClientThrough(nil, socket) }

// NewClientThrough is NewClient with another way to connect, for a backend elsewhere; nil is the usual one.
func NewClientThrough(connect func(ctx context.Context, network, address string) (net.Conn, error), socket string) *Client {
	if connect == nil {
		connect = new(net.Dialer).DialContext
	}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return connect(ctx, "unix", socket)
		},
	}}}
}

// Hold holds requests that match from now on, until released. Several holds add up.
func (c *Client) Hold(ctx context.Context, h HoldSpec) error {
	return c.call(ctx, http.MethodPost, "hold", h, &nothing{})
}

// Release lets the n oldest held requests go on and returns how many there were, which is less than n if fewer were
// held. A negative n lets all go, and removes all holds.
func (c *Client) Release(ctx context.Context, n int) (int, error) {
	var out releaseAnswer
	err := c.call(ctx, http.MethodPost, "release", releaseRequest{n}, &out)
	return out.Released, err
}

// Script replaces the script. It governs requests that are yet to arrive or to be released. Without rules there is no
// script. All that is wrong with the rules is one error, and then nothing is replaced.
func (c *Client) Script(ctx context.Context, rules ...Rule) error {
	return c.call(ctx, http.MethodPost, "script", scriptRequest{rules}, &nothing{})
}

// State returns all counts as of one moment.
func (c *Client) State(ctx context.Context) (State, error) {
	var s State
	err := c.call(ctx, http.MethodGet, "state", nil, &s)
	return s, err
}

// Wait returns as soon as the condition holds, with the counts of that moment but without [State].Attempts. A condition
// that held for ever so short while Wait was on is not missed. An error that comes of ctx says what was waited for.
func (c *Client) Wait(ctx context.Context, cond Condition) (State, error) {
	var s State
	if err := c.call(ctx, http.MethodPost, "wait", cond, &s); err != nil {
		return s, fmt.Errorf("waiting for %v: %w", cond, err)
	}
	return s, nil
}

// Reset takes away holds and script, lets what is held or delayed be answered and closes what hangs, and counts from
// zero again. Requests still in flight and connections still open stay counted as such, and as arrived and opened.
func (c *Client) Reset(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "reset", nothing{}, &nothing{})
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	fail := func(err error) error { return fmt.Errorf("backend %s: %s: %w", c.socket, path, err) }
	body, err := json.Marshal(in)
	if err != nil {
		return fail(err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://backend/"+path, bytes.NewReader(body))
	if err != nil {
		return fail(err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		var refused controlError
		if err := json.NewDecoder(res.Body).Decode(&refused); err != nil {
			return fail(fmt.Errorf("status %d", res.StatusCode))
		}
		return fail(errors.New(refused.Error))
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fail(err)
	}
	return nil
}
