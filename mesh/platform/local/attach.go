package local

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
	"github.com/squallmesh/squall/mesh/unixhttp"
)

// Attached is a lab that another process keeps up, as one run uses it. It has a session with the lab's host, which it renews until
// Close.
type Attached struct {
	host    *unixhttp.Client
	session string
	desc    description
	client  *mesh.Client
	failed  chan error
	cancel  context.CancelFunc
	done    chan struct{}
}

// Attach begins a session at a host's socket. Only one run at a time may have one: until ctx ends, Attach waits for another to end.
func Attach(ctx context.Context, socket string) (*Attached, error) {
	a := &Attached{host: unixhttp.NewClient("the lab", socket), failed: make(chan error, 1), done: make(chan struct{})}
	var s session
	for {
		err := a.host.Call(ctx, http.MethodPost, "/v1/session", os.Getpid(), &s)
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
	if err := a.host.Call(ctx, http.MethodGet, "/v1/lab", nil, &a.desc); err != nil {
		return nil, err
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
		if err := a.host.Call(ctx, http.MethodPut, "/v1/session/"+a.session, nil, nil); err != nil && ctx.Err() == nil {
			a.failed <- err
			return
		}
	}
}

// followEvery is how often a run asks what the proxies reported.
const followEvery = 20 * time.Millisecond

// Follow gives what the proxies report from now on.
func (a *Attached) Follow(ctx context.Context) (*collect.Collector, error) {
	var now reported
	if err := a.host.Call(ctx, http.MethodGet, "/v1/reported?hops=-1", nil, &now); err != nil {
		return nil, err
	}
	return collect.Follow(ctx, collect.Source{
		Every: followEvery, Requests: now.Requests, Connections: now.Connections, Spans: now.SpansSeen,
		Next: func(ctx context.Context) (collect.News, error) {
			var r reported
			err := a.host.Call(ctx, http.MethodGet, fmt.Sprintf("/v1/reported?hops=%d&spans=%d", now.HopsSeen, now.SpansSeen), nil, &r)
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
func (a *Attached) Instances() []*platform.Instance { return a.desc.Instances }

// Instance finds a workload by its name, or one of a Deployment.
func (a *Attached) Instance(name string) (*platform.Instance, bool) {
	return platform.Find(a.desc.Instances, name)
}

// GatewayAddress is the address of the ingress gateway.
func (a *Attached) GatewayAddress() string { return a.desc.Gateway }

// Info is that of the lab's form.
func (a *Attached) Info() platform.Info { return a.desc.Form.Info() }

// Dial is that of the lab.
func (a *Attached) Dial(from *platform.Instance) platform.Dial {
	switch {
	case a.desc.Dials == "":
		return nil
	case from == nil:
		return dialThrough(a.desc.Dials, "")
	}
	return dialThrough(a.desc.Dials, from.Name)
}

// Reach is that of the lab.
func (a *Attached) Reach(ctx context.Context, from *platform.Instance, host string, port uint32, http bool) (address string, err error) {
	return address, a.host.Call(ctx, "POST", "/v1/reach", reachRequest{from.Name, host, port, http}, &address)
}

// Client talks to the lab's control plane.
func (a *Attached) Client() *mesh.Client { return a.client }

// Apply adds rules for the time of the session.
func (a *Attached) Apply(ctx context.Context, files ...config.File) (mesh.ApplyResponse, error) {
	return a.client.Apply(ctx, mesh.ApplyRequest{Files: files})
}

// Beyond gives the address of the workload to which a relay's address leads, both with their port; any other address is its own.
func (a *Attached) Beyond(address string) string { return platform.Beyond(a.desc.Instances, address) }

// BeyondHost is Beyond for an address without a port.
func (a *Attached) BeyondHost(host string) string { return platform.BeyondHost(a.desc.Instances, host) }

// Break breaks something for the time of the session, at most.
func (a *Attached) Break(ctx context.Context, id string, b platform.Breakage) (seen string, err error) {
	return seen, a.host.Call(ctx, http.MethodPost, "/v1/session/"+a.session+"/faults/"+id, b, &seen)
}

// Mend undoes a breakage.
func (a *Attached) Mend(ctx context.Context, id string) (seen string, err error) {
	return seen, a.host.Call(ctx, http.MethodDelete, "/v1/session/"+a.session+"/faults/"+id, nil, &seen)
}

// Failed gets an error when the session is lost.
func (a *Attached) Failed() <-chan error { return a.failed }

// Close ends the session: the host undoes what the run did.
func (a *Attached) Close() error {
	a.cancel()
	<-a.done
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return a.host.Call(ctx, http.MethodDelete, "/v1/session/"+a.session, nil, nil)
}
