package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/proc"
)

// Options of a lab.
type Options struct {
	// Squall is the path of this program, which is run for the control plane and for built-in apps.
	Squall string
	// Envoy is the binary to run.
	Envoy envoy.Binary
	// Owner ends all processes when the lab's owner ends, however it does.
	Owner *proc.Owner
	// Form is what the lab stands on; empty is Loopback. Pods need a program that netns.Enter runs.
	Form platform.Form
	// Dir holds sockets, logs and bootstrap files; it must be short (Unix sockets) and exist.
	Dir string
	// App is what to run.
	App *config.App
	// AppDir is the folder of the App file, in which apps run; empty for built-in apps.
	AppDir string
	// Relayed are the pairs of workloads between which the network can be broken.
	Relayed []platform.Pair
	// Rules are applied before the lab counts as started.
	Rules []config.File
	// Exact removes Envoy's merge window (profile: exact).
	Exact bool
	// Concurrency is the number of Envoy's worker threads; 0 takes 1.
	Concurrency int
	// DrainTime of old listeners; 0 takes 5 s.
	DrainTime time.Duration
	// Env is what apps get besides their own variables (PATH and the like).
	Env []string
	// ControlPlane are more flags of the control plane (squall mesh).
	ControlPlane []string
	// Log takes what happens; nil discards.
	Log *slog.Logger
}

// Lab is a running mesh.
type Lab struct {
	opts   Options
	net    network
	client *mesh.Client

	mu        sync.Mutex
	instances []*Instance
	control   *proc.Process
	rules     []config.File
	closed    bool
	relays    []*link
	// services and templates are what the manifests say, for instances that are added later.
	services  []*model.Service
	templates map[string]config.Template
	// planned are processes whose end is not a failure.
	planned map[*proc.Process]bool
	// started is how many instances there were at the start.
	started int
	failed  chan error
	// identities are nil until the lab starts.
	identities *identities
	// breakages are in force, by their ids.
	breakages map[string]*broken
}

// AppLogFile takes what an app writes, in its workload's folder.
const AppLogFile = "app.log"

// Instance is one workload of a lab, with its processes.
type Instance struct {
	platform.Instance

	env     map[string]string
	dir     string
	workDir string
	// gone instances were scaled away: their addresses are not used again.
	gone  bool
	app   *proc.Process
	envoy *envoy.Envoy
	// ttl is how long its certificates live; 0 leaves it to the authority.
	ttl time.Duration
	// stopAgent ends what serves the instance's identity; nil before it starts.
	stopAgent context.CancelFunc
}

// Start brings a mesh up and returns when every workload listens, every proxy has its configuration, and the rules
// are effective. Whatever fails, nothing stays behind.
func Start(ctx context.Context, o Options) (*Lab, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Concurrency == 0 {
		o.Concurrency = 1
	}
	l := &Lab{
		opts: o, rules: o.Rules, planned: map[*proc.Process]bool{}, failed: make(chan error, 16), breakages: map[string]*broken{},
	}
	l.client = mesh.NewClient(l.apiSocket())
	var err error
	if l.net, err = l.open(ctx); err != nil {
		return nil, err
	}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) apiSocket() string { return filepath.Join(l.opts.Dir, "api.sock") }

func (l *Lab) start(ctx context.Context) error {
	docs, problems := config.Parse(l.opts.App.Manifests...)
	if err := problems.Err(); err != nil {
		return err
	}
	if err := l.plan(config.Set{}.With(docs...)); err != nil {
		return err
	}
	l.started = len(l.instances)
	if err := l.enter(ctx, l.instances); err != nil {
		return err
	}
	if err := l.startRelays(ctx); err != nil {
		return err
	}
	if err := l.startIdentities(); err != nil {
		return err
	}
	if err := l.startControlPlane(ctx); err != nil {
		return err
	}
	g, starting := errgroup.WithContext(ctx)
	g.Go(func() error { return l.applyAll(starting) })
	g.Go(func() error { return l.startProcesses(starting) })
	if err := g.Wait(); err != nil {
		return err
	}
	return l.settle(ctx)
}

// bootTime is how long a process that starts keeps others waiting; one that has not come up by then may be waiting for them.
const bootTime = 250 * time.Millisecond

// startProcesses starts apps and proxies, about as many at once as there are processors: more would not be up sooner, and would keep a mesh
// that runs beside this one from its turn.
func (l *Lab) startProcesses(ctx context.Context) error {
	booting := make(chan struct{}, runtime.GOMAXPROCS(0))
	g, ctx := errgroup.WithContext(ctx)
	for _, i := range l.instances {
		for _, start := range []func(context.Context, *Instance) error{l.startApp, l.startEnvoy} {
			g.Go(func() error {
				booting <- struct{}{}
				done := sync.OnceFunc(func() { <-booting })
				defer done()
				defer time.AfterFunc(bootTime, done).Stop()
				return start(ctx, i)
			})
		}
	}
	return g.Wait()
}

// enter makes what the instances' processes need.
func (l *Lab) enter(ctx context.Context, list []*Instance) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, i := range list {
		g.Go(func() error { return l.net.enter(ctx, i) })
	}
	return g.Wait()
}

// settle waits until all proxies hold the newest configuration and take traffic with it.
func (l *Lab) settle(ctx context.Context) error {
	ids := make([]string, len(l.instances))
	for i, inst := range l.instances {
		ids[i] = inst.ID()
	}
	if err := l.client.WaitLive(ctx, ids...); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, i := range l.instances {
		g.Go(func() error { return i.envoy.Ready(ctx) })
	}
	return g.Wait()
}

// applyAll tells a fresh control plane everything: manifests, workloads, rules.
func (l *Lab) applyAll(ctx context.Context) error {
	_, err := l.client.Apply(ctx, mesh.ApplyRequest{
		Replace:   true,
		Files:     slices.Concat(l.opts.App.Manifests, l.rules),
		Workloads: l.workloads(),
		Timeout:   30 * time.Second,
	})
	return err
}

func (l *Lab) workloads() []mesh.Workload {
	var out []mesh.Workload
	for _, inst := range l.running() {
		out = append(out, inst.Workload)
	}
	return out
}

// Client talks to the lab's control plane.
func (l *Lab) Client() *mesh.Client { return l.client }

// Apply adds rules and waits until they are effective; they come back with a restarted control plane.
func (l *Lab) Apply(ctx context.Context, files ...config.File) (mesh.ApplyResponse, error) {
	resp, err := l.client.Apply(ctx, mesh.ApplyRequest{Files: files})
	if err == nil {
		l.mu.Lock()
		l.rules = append(l.rules, files...)
		l.mu.Unlock()
	}
	return resp, err
}

// Remember notes rules that a stopped control plane shall have when it is started again.
func (l *Lab) Remember(files ...config.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = append(l.rules, files...)
}

// Instances are the workloads that run, the gateway first.
func (l *Lab) Instances() []*platform.Instance { return shown(l.running()) }

func shown(list []*Instance) []*platform.Instance {
	var out []*platform.Instance
	for _, i := range list {
		out = append(out, &i.Instance)
	}
	return out
}

func (l *Lab) running() []*Instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.instances), func(i *Instance) bool { return i.gone })
}

// Instance finds a workload by its name, or the first one of a Deployment.
func (l *Lab) Instance(name string) (*platform.Instance, bool) {
	return platform.Find(l.Instances(), name)
}

func (l *Lab) find(name string) (*Instance, bool) {
	i, ok := l.Instance(name)
	return l.own(i), ok
}

// own gives the instance with its processes; nil for nil.
func (l *Lab) own(shown *platform.Instance) *Instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.instances {
		if &i.Instance == shown {
			return i
		}
	}
	return nil
}

// GatewayAddress is the address of the ingress gateway.
func (l *Lab) GatewayAddress() string { return l.instances[0].Address }

// Failed gets an error when a process ends that nobody ended on purpose.
func (l *Lab) Failed() <-chan error { return l.failed }

// watch reports the unplanned end of a process.
func (l *Lab) watch(what string, p *proc.Process) {
	go func() {
		<-p.Done()
		l.mu.Lock()
		quiet := l.closed || l.planned[p]
		l.mu.Unlock()
		if quiet {
			return
		}
		err := fmt.Errorf("%s ended by itself: %w", what, p.Err())
		if tail := p.LogTail(5); len(tail) > 0 {
			err = fmt.Errorf("%w\nits last lines:\n    %s", err, joinLines(tail))
		}
		select {
		case l.failed <- err:
		default:
		}
	}()
}

// Close ends all processes of the lab and waits for them.
func (l *Lab) Close() error {
	l.mu.Lock()
	l.closed = true
	var all []*proc.Process
	for _, i := range l.instances {
		if i.app != nil {
			all = append(all, i.app)
		}
		if i.envoy != nil {
			all = append(all, i.envoy.Process())
		}
	}
	if l.control != nil {
		all = append(all, l.control)
	}
	l.mu.Unlock()
	var g errgroup.Group
	for _, p := range all {
		g.Go(p.Kill)
	}
	for _, r := range l.relays {
		g.Go(r.Close)
	}
	return errors.Join(g.Wait(), l.identities.close(), l.net.close())
}

func logFile(dir, name string) (io.WriteCloser, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // below the lab's own folder
	if err != nil {
		return nil, fmt.Errorf("log of a process: %w", err)
	}
	return f, nil
}
