package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// prober sends first requests: one on a new connection, and one on each of four that stay open. Where several answers are
// wanted, each connection carries as many requests.
type prober struct {
	fresh *http.Client
	open  []*http.Client
}

// newProber gives a prober; requests go by an HTTP proxy if one is given.
func newProber(proxy *url.URL) *prober {
	transport := func() *http.Transport {
		t := &http.Transport{MaxConnsPerHost: 1}
		if proxy != nil {
			t.Proxy = http.ProxyURL(proxy)
		}
		return t
	}
	alone := transport()
	alone.DisableKeepAlives = true
	p := &prober{fresh: &http.Client{Transport: alone, Timeout: 5 * time.Second}}
	for range 4 {
		p.open = append(p.open, &http.Client{Transport: transport(), Timeout: 5 * time.Second})
	}
	return p
}

func (p *prober) close() {
	for _, c := range p.open {
		c.CloseIdleConnections()
	}
}

// stale counts the connections whose answers are not the wanted ones, in any order, and the requests that were sent. With
// more than one wanted, new connections are left out: each of their requests may reach another worker.
func (p *prober) stale(ctx context.Context, url, probe string, want []string, freshOnly bool) (stale, probes int) {
	clients := []*http.Client{p.fresh}
	if !freshOnly {
		clients = append(clients, p.open...)
	}
	if len(want) > 1 {
		clients = clients[1:]
	}
	for _, c := range clients {
		var got []string
		for range want {
			probes++
			got = append(got, seen(ctx, c, url, probe))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			stale++
		}
	}
	return stale, probes
}

// seen is what one request says of the rule in force.
func seen(ctx context.Context, c *http.Client, url, probe string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("probe", probe)
	resp, err := c.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	if who := resp.Header.Get("x-backend"); who != "" {
		return who
	}
	return fmt.Sprintf("status %d", resp.StatusCode)
}
