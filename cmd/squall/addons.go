package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/addons"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
	"github.com/squallmesh/squall/mesh/telemetry/graph"
	"github.com/squallmesh/squall/mesh/telemetry/istio"
	"github.com/squallmesh/squall/reports"
)

// refreshGraph is how often the page of the service graph asks for a new one, in seconds.
const refreshGraph = 5

// members is what the add-ons know of a mesh.
type members interface {
	Instances() []*platform.Instance
	Client() *mesh.Client
}

// forwardFlags say where to send on what a mesh reports.
type forwardFlags struct{ metrics, traces []string }

func (f *forwardFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.metrics, "remote-write", nil, "URL of a Prometheus that takes samples, http://127.0.0.1:9090/api/v1/write; repeat for more")
	flags.StringArrayVar(&f.traces, "export-traces", nil, "where spans go as well: a Zipkin, http://127.0.0.1:9411/api/v2/spans, or otlp://HOST:PORT; repeat for more")
}

// open makes what sends; all mistakes come at once.
func (f *forwardFlags) open(form platform.Form) ([]addons.Forward, error) {
	var out []addons.Forward
	var errs []error
	for _, kind := range []struct {
		flag string
		to   []string
		open func(string) (addons.Forward, error)
	}{{"--remote-write", f.metrics, addons.ToPrometheus}, {"--export-traces", f.traces, addons.ToTraces}} {
		for _, address := range kind.to {
			one, err := kind.open(address)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", kind.flag, err))
				continue
			}
			out = append(out, one)
		}
	}
	if len(out) > 0 && form == platform.Pods {
		errs = append(errs, errors.New("a lab of pods reaches nobody outside: use --platform loopback, or let a Prometheus scrape the add-ons"))
	}
	return out, errors.Join(errs...)
}

// openedAddons are a lab's add-ons at their address.
type openedAddons struct {
	*addons.Server
	Address  string
	listener net.Listener
}

// openAddons opens them on a loopback address of the kernel's choice; in a lab of pods, people reach them there as well as its gateway.
func openAddons(ctx context.Context, env *environment, lab members, c *collect.Collector, dir string, forward []addons.Forward) (*openedAddons, error) {
	byAddress := func(address string) (istio.Peer, bool) {
		return peerOf(lab, func(i *platform.Instance) bool { return i.Address == address })
	}
	byProxy := func(id string) (istio.Peer, bool) {
		return peerOf(lab, func(i *platform.Instance) bool { return i.ID() == id })
	}
	server, err := addons.New(addons.Options{
		Collector: c, Dir: filepath.Join(dir, "metrics"),
		Metrics: istio.Options{Peers: byAddress, Proxies: byProxy},
		Members: func() []graph.Member {
			var out []graph.Member
			for _, i := range lab.Instances() {
				out = append(out, graph.MemberOf(i.Name, i.Owner, i.Labels, i.Address, i.ID()))
			}
			return out
		},
		Gauges:  func(ctx context.Context, at time.Time) []telemetry.Point { return controlPlane(ctx, lab.Client(), at) },
		Forward: forward, Warn: func(err error) { _, _ = fmt.Fprintln(env.stderr, err) },
		Picture: func(g graph.Graph) string { return reports.GraphPage(g, refreshGraph) },
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // says what it is
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("add-ons: %w", err), server.Close())
	}
	return &openedAddons{Server: server, Address: listener.Addr().String(), listener: listener}, nil
}

// Serve answers until the context ends.
func (o *openedAddons) Serve(ctx context.Context) error { return o.Server.Serve(ctx, o.listener) }

// Close frees what is held, also if Serve was never called.
func (o *openedAddons) Close() error {
	_ = o.listener.Close() // after Serve it is closed already
	return o.Server.Close()
}

// gaugesTimeout bounds how long a control plane that is down holds up a sample.
const gaugesTimeout = 500 * time.Millisecond

// controlPlane gives series of what the control plane says of its proxies and of the faults that are armed. One that is down says nothing.
func controlPlane(ctx context.Context, client *mesh.Client, at time.Time) []telemetry.Point {
	ctx, cancel := context.WithTimeout(ctx, gaugesTimeout)
	defer cancel()
	list, err := client.Status(ctx)
	if err != nil {
		return nil
	}
	var connected, behind, version float64
	for _, p := range list {
		version = float64(p.Target)
		if p.Connected {
			connected++
		}
		if p.Live != p.Target {
			behind++
		}
	}
	out := []telemetry.Point{
		{Name: "pilot_xds", Time: at, Value: connected},
		{Name: "squall_proxies", Time: at, Value: float64(len(list))},
		{Name: "squall_proxies_behind", Time: at, Value: behind},
		{Name: "squall_config_version", Time: at, Value: version},
	}
	faults, err := client.Faults(ctx)
	if err != nil {
		return out
	}
	for _, f := range faults {
		for kind, has := range map[string]bool{"abort": f.Abort != nil, "delay": f.Delay != nil} {
			if has {
				labels := telemetry.MakeLabels(map[string]string{"kind": kind, "to": f.Host, "lease": f.ID, "slot": fmt.Sprint(f.Slot)})
				out = append(out, telemetry.Point{Name: "squall_fault", Labels: labels, Time: at, Value: 1})
			}
		}
	}
	return out
}

func peerOf(lab members, is func(*platform.Instance) bool) (istio.Peer, bool) {
	for _, i := range lab.Instances() {
		if is(i) {
			return istio.PeerOf(i.Owner, i.Namespace, i.Labels), true
		}
	}
	return istio.Peer{}, false
}
