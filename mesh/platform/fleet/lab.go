package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/agent"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
	"github.com/squallmesh/squall/mesh/tunnel"
)

// Lab is a running mesh.
type Lab struct {
	host      Host
	spec      platform.Spec
	client    *mesh.Client
	names     *mesh.Names
	collector *collect.Collector
	control   *member
	// running are the lab's own goroutines; stops end them.
	running sync.WaitGroup
	stops   []context.CancelFunc

	mu        sync.Mutex
	members   []*member
	rules     []config.File
	closed    bool
	services  []*model.Service
	templates map[string]config.Template
	// spares are pods that wait to be members, by name.
	spares    map[string]*member
	breakages map[string]*broken
	relayed   int
	failed    chan error
	// manifests are the app's services, as documents.
	manifests  []config.File
	identities identities
	// taken is there if the workloads are pods that others run.
	taken *taken
}

// member is a pod of the lab.
type member struct {
	platform.Instance

	pod   Pod
	place Place
	run   config.Run
	env   map[string]string
	// proxy is the agent of the Envoy, or of the control plane; app that of the app, or nil.
	proxy, app *agent.Client
	// uid is that of an injected pod.
	uid string
	// gone pods were scaled away, or have gone by themselves.
	gone bool
	// stops end what watches it.
	stops []context.CancelFunc
}

// Start brings a mesh up on a host, which the lab releases at its end.
func Start(ctx context.Context, host Host, spec platform.Spec) (*Lab, error) {
	l := newLab(host, spec)
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, l.Close()) //nolint:contextcheck // cleaning up goes on when the context has ended
	}
	return l, nil
}

func newLab(host Host, spec platform.Spec) *Lab {
	return &Lab{host: host, spec: spec, rules: spec.Rules, breakages: map[string]*broken{}, spares: map[string]*member{}, failed: make(chan error, 16)}
}

func (l *Lab) start(ctx context.Context) (err error) {
	if err := l.plan(); err != nil {
		return err
	}
	here := net.JoinHostPort(l.host.Here(), "0")
	if l.collector, err = collect.Start(ctx, collect.Options{AccessLogs: here, Traces: here}); err != nil {
		return err
	}
	if err := l.host.Services(ctx, l.services); err != nil {
		return err
	}
	if err := l.runPods(ctx); err != nil {
		return err
	}
	if err := l.each(ctx, l.pods(), (*member).reset); err != nil {
		return err
	}
	if err := l.startControlPlane(ctx); err != nil {
		return err
	}
	if l.taken != nil {
		if err := l.takePods(ctx); err != nil {
			return err
		}
	}
	for _, p := range l.spec.Relayed {
		if err := l.openRelays(ctx, p); err != nil {
			return err
		}
	}
	if err := l.launch(ctx, l.members, l.applyAll); err != nil {
		return err
	}
	l.inBackground(ctx, nil, l.renew)
	l.inBackground(ctx, nil, l.certify)
	if h, ok := l.host.(exclusive); ok {
		l.inBackground(ctx, nil, func(ctx context.Context) { l.watchHost(ctx, h) })
	}
	if l.taken != nil {
		return l.settled(ctx)
	}
	return nil
}

// inBackground runs something until the lab ends, or a member leaves it.
func (l *Lab) inBackground(ctx context.Context, m *member, f func(context.Context)) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.mu.Lock()
	l.stops = append(l.stops, stop)
	if m != nil {
		m.stops = append(m.stops, stop)
	}
	l.mu.Unlock()
	l.running.Go(func() { f(ctx) })
}

// runPods has the host run all pods.
func (l *Lab) runPods(ctx context.Context) error {
	all := l.pods()
	pods := make([]Pod, len(all))
	for n, m := range all {
		pods[n] = m.pod
	}
	places, err := l.host.Run(ctx, pods)
	if err != nil {
		return err
	}
	for n, m := range all {
		if err := l.put(m, places[n]); err != nil {
			return err
		}
	}
	l.client = mesh.NewClientThrough(l.control.place.Agent.Dial, APISocket)
	l.names = mesh.NewNames(l.client)
	return nil
}

// pods are all that the lab runs at its start, the control plane's first.
func (l *Lab) pods() []*member {
	return slices.Concat([]*member{l.control}, l.members, slices.Collect(maps.Values(l.spares)))
}

// put tells a member where its pod is.
func (l *Lab) put(m *member, p Place) error {
	m.place, m.Address = p, p.Address
	for n := range m.Inbound {
		m.Inbound[n].App.Address = p.Address
	}
	m.proxy = agent.NewClient(p.Agent.Dial, m.Name, ProxySocket)
	m.AdminAddress = "unix://" + adminSocket
	m.Connect = p.Agent.Dial
	if len(m.Command) > 0 {
		m.app = agent.NewClient(p.Agent.Dial, "the app of "+m.Name, AppSocket)
		m.ControlSocket = controlSocket
		m.Connect = m.connect
		return l.expand(m)
	}
	return nil
}

// connect reaches the sockets of both containers.
func (m *member) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if address != controlSocket {
		return m.place.Agent.Dial(ctx, network, address)
	}
	return m.fromApp(ctx, network, address)
}

// fromApp connects as the user of the app, in its container.
func (m *member) fromApp(ctx context.Context, network, address string) (net.Conn, error) {
	return tunnel.Dialer{Address: AppSocket, Through: m.place.Agent.Dial}.Dial(ctx, network, address)
}

func (m *member) reset(ctx context.Context) error {
	err := m.proxy.Reset(ctx)
	if m.app != nil {
		err = errors.Join(err, m.app.Reset(ctx))
	}
	return err
}

// watchHost reports that the host is no more the lab's.
func (l *Lab) watchHost(ctx context.Context, h exclusive) {
	select {
	case <-ctx.Done():
	case <-h.Lost():
		select {
		case l.failed <- errors.New("the cluster's lease is lost: its API did not answer for long, or another lab has taken it"):
		default:
		}
	}
}

// each does something with several members at once. Their errors come with what is known of their pods.
func (l *Lab) each(ctx context.Context, list []*member, do func(*member, context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range list {
		g.Go(func() error { return l.explained(ctx, m, do(m, ctx)) })
	}
	return g.Wait()
}

// explained adds what the host knows of a pod to an error.
func (l *Lab) explained(ctx context.Context, m *member, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if more := l.host.Explain(ctx, m.pod); more != "" {
		return fmt.Errorf("%w\n%s", err, more)
	}
	return err
}

// Info is that of the host.
func (l *Lab) Info() platform.Info { return l.host.Info() }

// Client talks to the control plane.
func (l *Lab) Client() *mesh.Client { return l.client }

// Collected is what the proxies have reported.
func (l *Lab) Collected() *collect.Collector { return l.collector }

// GatewayAddress is where the ingress gateway is found.
func (l *Lab) GatewayAddress() string { return l.host.Gateway(l.members[0].place) }

// Instances are the workloads that run, the gateway first.
func (l *Lab) Instances() []*platform.Instance { return shown(l.live()) }

func shown(list []*member) []*platform.Instance {
	var out []*platform.Instance
	for _, m := range list {
		out = append(out, &m.Instance)
	}
	return out
}

func (l *Lab) live() []*member {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.members), func(m *member) bool { return m.gone })
}

// Instance finds a workload by its name, or the first one of a Deployment.
func (l *Lab) Instance(name string) (*platform.Instance, bool) {
	return platform.Find(l.Instances(), name)
}

// own gives the pod of an instance; nil for nil.
func (l *Lab) own(shown *platform.Instance) *member {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.members {
		if &m.Instance == shown {
			return m
		}
	}
	return nil
}

// Dial connects as a workload's app does, whose connections are redirected; for nil, as anybody.
func (l *Lab) Dial(from *platform.Instance) platform.Dial {
	m := l.own(from)
	if m == nil {
		return nil
	}
	return m.place.Agent.AsApp
}

// Reach gives the address of a service.
func (l *Lab) Reach(ctx context.Context, from *platform.Instance, host string, port uint32, _ bool) (string, error) {
	address, ok := l.names.Search(ctx, host, from.Namespace)
	if !ok {
		return "", fmt.Errorf("%s has no service %s:%d", from.Name, host, port)
	}
	return fmt.Sprintf("%s:%d", address, port), nil
}

// Beyond gives the address of the workload to which a relay's address leads, both with their port; any other address is its own.
func (l *Lab) Beyond(address string) string { return platform.Beyond(l.everyone(), address) }

// BeyondHost is Beyond for an address without a port.
func (l *Lab) BeyondHost(host string) string { return platform.BeyondHost(l.everyone(), host) }

// everyone is all instances there ever were.
func (l *Lab) everyone() []*platform.Instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	return shown(l.members)
}

// Apply adds rules and waits until they are effective; they come back with a restarted control plane.
func (l *Lab) Apply(ctx context.Context, files ...config.File) (mesh.ApplyResponse, error) {
	resp, err := l.client.Apply(ctx, mesh.ApplyRequest{Files: files})
	if err == nil {
		l.Remember(files...)
	}
	return resp, err
}

// Remember notes rules that a stopped control plane shall have when it is started again.
func (l *Lab) Remember(files ...config.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = append(l.rules, files...)
}

// applyTimeout bounds the first barrier, in which Envoys start.
const applyTimeout = 30 * time.Second

// applyAll tells a fresh control plane everything: manifests, workloads, rules.
func (l *Lab) applyAll(ctx context.Context) error {
	l.mu.Lock()
	files := slices.Concat(l.manifests, l.rules)
	l.mu.Unlock()
	_, err := l.client.Apply(ctx, mesh.ApplyRequest{Replace: true, Files: files, Workloads: l.workloads(), Timeout: applyTimeout})
	return err
}

func (l *Lab) applyWorkloads(ctx context.Context) error {
	_, err := l.client.Apply(ctx, mesh.ApplyRequest{Workloads: l.workloads()})
	return err
}

func (l *Lab) workloads() []mesh.Workload {
	live := l.live()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []mesh.Workload
	for _, m := range live {
		out = append(out, m.Workload)
	}
	return out
}

// Failed gets an error when a process ends that nobody ended on purpose, or a pod is gone.
func (l *Lab) Failed() <-chan error { return l.failed }

// fail reports what is wrong with a member, unless the lab or the member is ending.
func (l *Lab) fail(ctx context.Context, m *member, err error) {
	l.mu.Lock()
	quiet := l.closed || m.gone
	l.mu.Unlock()
	if quiet {
		return
	}
	select {
	case l.failed <- l.explained(ctx, m, err):
	default:
	}
}

// Close ends all processes, and gives the pods back to the host.
func (l *Lab) Close() error {
	l.mu.Lock()
	l.closed = true
	var all []*member
	for _, m := range append(slices.Clone(l.members), l.control) {
		if m != nil && m.proxy != nil && !m.gone {
			all = append(all, m)
		}
	}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	errs := []error{l.each(ctx, all, (*member).reset)}
	l.mu.Lock()
	stops := l.stops
	l.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	l.running.Wait()
	if l.collector != nil {
		errs = append(errs, l.collector.Close())
	}
	return errors.Join(append(errs, l.host.Release())...)
}

// closeTimeout bounds how long the end of a lab may take.
const closeTimeout = 30 * time.Second

// Port is where the agent of a pod serves the way into it.
func (p Pod) Port() int {
	if p.Kind == Gateway {
		return GatewayAgentPort
	}
	return AgentPort
}

// The names of the sockets that Forward makes.
const (
	ForwardedAPI   = "api.sock"
	ForwardedAdmin = "admin.sock"
)

// Forward gives this machine's user sockets in a folder, until the context ends: the control plane's API, and the admin interface of each
// Envoy that is there at the start, in a folder of its workload's name.
func (l *Lab) Forward(ctx context.Context, dir string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return tunnel.Forward(ctx, filepath.Join(dir, ForwardedAPI), func(ctx context.Context) (net.Conn, error) {
			return l.control.place.Agent.Dial(ctx, tunnel.Unix, APISocket)
		})
	})
	for _, m := range l.live() {
		if err := os.MkdirAll(filepath.Join(dir, m.Name), 0o700); err != nil {
			return fmt.Errorf("socket of %s: %w", m.Name, err)
		}
		g.Go(func() error {
			return tunnel.Forward(ctx, filepath.Join(dir, m.Name, ForwardedAdmin), func(ctx context.Context) (net.Conn, error) {
				return m.place.Agent.Dial(ctx, tunnel.Unix, adminSocket)
			})
		})
	}
	return g.Wait()
}
