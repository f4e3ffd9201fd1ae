package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
)

// Attached is a lab that another process keeps up, as one run uses it. It has a session with the lab's host, which it renews until
// Close.
type Attached struct {
	http      *http.Client
	session   string
	desc      description
	instances []*Instance
	client    *mesh.Client
	failed    chan error
	cancel    context.CancelFunc
	done      chan struct{}
}

// Attach begins a session at a host's socket. Only one run at a time may have one: until ctx ends, Attach waits for another to end.
func Attach(ctx context.Context, socket string) (*Attached, error) {
	var d net.Dialer
	a := &Attached{
		failed: make(chan error, 1), done: make(chan struct{}),
		http: &http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
		}},
	}
	var s session
	for {
		err := a.call(ctx, http.MethodPost, "/v1/session", os.Getpid(), &s)
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), inUse) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(attachPoll):
		}
	}
	a.session = s.ID
	if err := a.call(ctx, http.MethodGet, "/v1/lab", nil, &a.desc); err != nil {
		return nil, err
	}
	for _, i := range a.desc.Instances {
		a.instances = append(a.instances, &Instance{Workload: i.Workload, Command: i.Command, ControlSocket: i.ControlSocket, dir: i.Dir})
	}
	a.client = mesh.NewClient(a.desc.API)
	renewing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.cancel = cancel
	go a.renew(renewing)
	return a, nil
}

// attachPoll is how often a lab that is in use is asked whether it still is.
const attachPoll = 50 * time.Millisecond

// renew keeps the session until the context ends. A session that is lost is a lab that failed.
func (a *Attached) renew(ctx context.Context) {
	defer close(a.done)
	tick := time.NewTicker(mesh.LeaseTime / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := a.call(ctx, http.MethodPut, "/v1/session/"+a.session, nil, nil); err != nil && ctx.Err() == nil {
			a.failed <- err
			return
		}
	}
}

func (a *Attached) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("the lab: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://lab"+path, body)
	if err != nil {
		return fmt.Errorf("the lab: %w", err)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return fmt.Errorf("the lab does not answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("the lab's answer broke off: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(b)))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("the lab's answer: %w", err)
	}
	return nil
}

// followEvery is how often a run asks what the proxies reported.
const followEvery = 20 * time.Millisecond

// Follow gives what the proxies report from now on.
func (a *Attached) Follow(ctx context.Context) (*collect.Collector, error) {
	var now reported
	if err := a.call(ctx, http.MethodGet, "/v1/reported?hops=-1", nil, &now); err != nil {
		return nil, err
	}
	return collect.Follow(ctx, collect.Source{
		Every: followEvery, Requests: now.Requests, Connections: now.Connections, Spans: now.SpansSeen,
		Next: func(ctx context.Context) (collect.News, error) {
			var r reported
			err := a.call(ctx, http.MethodGet, fmt.Sprintf("/v1/reported?hops=%d&spans=%d", now.HopsSeen, now.SpansSeen), nil, &r)
			if err == nil {
				now = r
			}
			return collect.News{Hops: r.Hops, Spans: r.Spans}, err
		},
	}), nil
}

// Exact tells that the lab runs with the profile exact.
func (a *Attached) Exact() bool { return a.desc.Exact }

// Instances are the workloads, the gateway first.
func (a *Attached) Instances() []*Instance { return a.instances }

// Instance finds a workload by its name, or one of a Deployment.
func (a *Attached) Instance(name string) (*Instance, bool) {
	for _, i := range a.instances {
		if i.Name == name || i.Owner == name {
			return i, true
		}
	}
	return nil, false
}

// GatewayAddress is the address of the ingress gateway.
func (a *Attached) GatewayAddress() string { return a.desc.Gateway }

// Client talks to the lab's control plane.
func (a *Attached) Client() *mesh.Client { return a.client }

// Apply adds rules for the time of the session.
func (a *Attached) Apply(ctx context.Context, files ...config.File) (mesh.ApplyResponse, error) {
	return a.client.Apply(ctx, mesh.ApplyRequest{Files: files})
}

// Beyond is the host's business: what it reports is seen through relays already.
func (a *Attached) Beyond(address string) string { return address }

// BeyondHost likewise.
func (a *Attached) BeyondHost(host string) string {
	for _, i := range a.instances {
		for called, relay := range i.Relays {
			if relay == host {
				return called
			}
		}
	}
	return host
}

// Break breaks something for the time of the session, at most.
func (a *Attached) Break(ctx context.Context, id string, b Breakage) (seen string, err error) {
	return seen, a.call(ctx, http.MethodPost, "/v1/session/"+a.session+"/faults/"+id, b, &seen)
}

// Mend undoes a breakage.
func (a *Attached) Mend(ctx context.Context, id string) (seen string, err error) {
	return seen, a.call(ctx, http.MethodDelete, "/v1/session/"+a.session+"/faults/"+id, nil, &seen)
}

// Failed gets an error when the session is lost.
func (a *Attached) Failed() <-chan error { return a.failed }

// Close ends the session: the host undoes what the run did.
func (a *Attached) Close() error {
	a.cancel()
	<-a.done
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return a.call(ctx, http.MethodDelete, "/v1/session/"+a.session, nil, nil)
}
