package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/quota"
	"github.com/squallmesh/squall/mesh/policy/ratelimit"
	"github.com/squallmesh/squall/mesh/tunnel"
	"github.com/squallmesh/squall/mesh/xds/serve"
)

// AdminMetadata is the key of a node's metadata that says where its admin interface is.
const AdminMetadata = "squall.admin"

// AgentMetadata is the key of a node's metadata that says where the agent is, host:port, through which alone its admin interface is reached.
const AgentMetadata = "squall.agent"

// Options of a control plane.
type Options struct {
	// Token opens the agents of proxies (see AgentMetadata); empty where there are none.
	Token string
	// XDS is where proxies connect, API where Client does. Both are closed at the end.
	XDS, API net.Listener
	// Identity gives workloads their certificates; nil is a mesh without identities, whose calls are plain text.
	Identity *Identity
	// Quotas counts requests against the global limits of QuotaPolicies; nil counts in this process's memory, from zero after each start.
	Quotas quota.Store
	// Mesh-wide settings; nil takes model.DefaultMesh.
	Mesh *model.Mesh
	// Log takes what happens; nil discards.
	Log *slog.Logger
}

// Mesh is a control plane.
type Mesh struct {
	opts   Options
	server *serve.Server
	quotas *ratelimit.Server

	// mu guards the rest, and lets one change happen at a time.
	mu        sync.Mutex
	docs      config.Set
	builder   config.Builder
	workloads []*model.Workload
	proxies   []*model.Proxy
	snapshot  model.Snapshot
	leases    map[int]*lease

	// services are the snapshot's, for those who do not wait until a change has happened.
	services atomic.Pointer[model.Map[*model.Service]]
}

type lease struct {
	fault   *model.LeasedFault
	expires time.Time
}

// LeaseTime is how long an armed fault lives without being renewed.
const LeaseTime = 3 * time.Second

// New gives a control plane that serves nothing yet.
func New(o Options) *Mesh {
	if o.Mesh == nil {
		o.Mesh = model.DefaultMesh()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Quotas == nil {
		o.Quotas = quota.NewMemory(nil, 0)
	}
	quotas := ratelimit.NewServer(o.Quotas)
	snapshot := model.Snapshot{Mesh: o.Mesh}
	if o.Identity != nil {
		snapshot.Trust = &model.Trust{Roots: o.Identity.Authority.Roots()}
	}
	return &Mesh{
		opts:     o,
		quotas:   quotas,
		server:   serve.New(serve.Options{Admin: admins{o.Token}, Register: quotas.Register, Log: o.Log}),
		snapshot: snapshot,
		leases:   map[int]*lease{},
	}
}

// Run serves proxies and clients until the context ends.
func (m *Mesh) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.server.Serve(ctx, m.opts.XDS) })
	g.Go(func() error { return m.serveAPI(ctx) })
	g.Go(func() error { return m.endLeases(ctx) })
	if m.opts.Identity != nil {
		g.Go(func() error { return m.opts.Identity.serve(ctx, m.opts.Log) })
	}
	return g.Wait()
}

// apply sets documents and workloads, and waits until they are effective. Problems of the documents leave everything
// as it was; so does a rejection by a proxy.
func (m *Mesh) apply(ctx context.Context, req ApplyRequest) (ApplyResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	docs, problems := config.Parse(req.Files...)
	next := m.docs
	if req.Replace {
		next = config.Set{}
	}
	for _, r := range req.Remove {
		next = next.Without(r.Kind, r.Namespace, r.Name)
	}
	next = next.With(docs...)
	workloads, proxies := m.workloads, m.proxies
	if req.Workloads != nil {
		workloads, proxies = m.reuse(req.Workloads)
	}
	snap, more := m.builder.Build(next, m.snapshot, workloads)
	problems.Add(more...)
	problems.Add(WithoutIdentity(snap)...)
	if err := problems.Err(); err != nil {
		return ApplyResponse{Diagnostics: problems.Sorted()}, err
	}
	snap.Faults = m.snapshot.Faults
	if err := m.revoke(ctx, &snap); err != nil {
		resp := ApplyResponse{Diagnostics: problems.Sorted()}
		if rejected, ok := asRejected(err); ok {
			resp.Diagnostics = append(resp.Diagnostics, rejected.Diagnostics()...)
		}
		return resp, err
	}
	m.services.Store(&snap.Services)
	m.count(ctx, m.snapshot, snap) // proxies change over one by one
	report, err := m.server.Apply(ctx, serve.Change{Snapshot: &snap, Proxies: proxies, AckOnly: req.AckOnly})
	problems.Add(idlePatches(m.snapshot, snap, proxies)...)
	resp := ApplyResponse{Report: report, Diagnostics: problems.Sorted()}
	if rejected, ok := asRejected(err); ok {
		resp.Diagnostics = append(resp.Diagnostics, rejected.Diagnostics()...)
		m.services.Store(&m.snapshot.Services)
		defer m.count(ctx, m.snapshot)
		if _, undo := m.server.Apply(ctx, serve.Change{Snapshot: &m.snapshot, Proxies: m.proxies}); undo != nil {
			return resp, fmt.Errorf("%w\nand the mesh could not be set back: %w", err, undo)
		}
		return resp, err
	}
	m.docs, m.workloads, m.proxies, m.snapshot = next, workloads, proxies, snap
	m.count(ctx, snap)
	return resp, err
}

// reuse keeps the pointers of workloads that did not change, by which the translator knows them.
func (m *Mesh) reuse(list []Workload) ([]*model.Workload, []*model.Proxy) {
	old := map[string]*model.Proxy{}
	for _, p := range m.proxies {
		old[p.ID] = p
	}
	var workloads []*model.Workload
	var proxies []*model.Proxy
	for _, w := range list {
		p := &model.Proxy{ID: ProxyID(w.Kind, &w.Workload), Kind: w.Kind, Workload: &w.Workload}
		if o := old[p.ID]; o != nil && equalWorkload(o.Workload, p.Workload) {
			p = o
		}
		proxies = append(proxies, p)
		workloads = append(workloads, p.Workload)
	}
	return workloads, proxies
}

// ProxyID names a workload's proxy: sidecar~reviews-v1-0.default.
func ProxyID(kind model.ProxyKind, w *model.Workload) string {
	return string(kind) + "~" + w.Name + "." + w.Namespace
}

// setLease declares, arms, renews or (with a nil fault) removes the fault of a slot, and waits until that is effective.
func (m *Mesh) setLease(ctx context.Context, slot int, fault *model.LeasedFault) (serve.Report, error) {
	if slot < 0 || slot >= model.LeaseSlots {
		return serve.Report{}, fmt.Errorf("lease slot %d is outside 0 to %d", slot, model.LeaseSlots-1)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changeLease(ctx, slot, fault)
}

// armed are the faults whose leases run.
func (m *Mesh) armed() []model.LeasedFault {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []model.LeasedFault{}
	for slot := range model.LeaseSlots {
		if l := m.leases[slot]; l != nil && l.fault.Armed {
			out = append(out, *l.fault)
		}
	}
	return out
}

func (m *Mesh) changeLease(ctx context.Context, slot int, fault *model.LeasedFault) (serve.Report, error) {
	var hosts []string
	old, before := m.leases[slot], m.snapshot
	if old != nil {
		hosts = append(hosts, old.fault.Host)
	}
	if fault == nil {
		delete(m.leases, slot)
	} else {
		fault.Slot = slot
		m.leases[slot] = &lease{fault: fault, expires: time.Now().Add(LeaseTime)}
		hosts = append(hosts, fault.Host)
	}
	snap := m.snapshot
	for _, host := range hosts {
		var list []*model.LeasedFault
		for s := range model.LeaseSlots {
			if l := m.leases[s]; l != nil && l.fault.Host == host {
				list = append(list, l.fault)
			}
		}
		if len(list) == 0 {
			snap.Faults = snap.Faults.Delete(host)
		} else {
			snap.Faults = snap.Faults.Set(host, &model.LeasedFaults{List: list})
		}
	}
	m.snapshot = snap
	report, err := m.server.Apply(ctx, serve.Change{Snapshot: &snap})
	if errors.Is(err, serve.ErrNoLease) {
		m.snapshot = before
		delete(m.leases, slot)
		if old != nil {
			m.leases[slot] = old
		}
	}
	return report, err
}

// renew keeps armed leases alive, here and in the runtime layers of the proxies: those live for LeaseTime as well, so that nobody has to
// be there for a lease to end. It reports the slots that are not armed.
func (m *Mesh) renew(slots []int) (missing []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, slot := range slots {
		if l := m.leases[slot]; l != nil && l.fault.Armed {
			l.expires = time.Now().Add(LeaseTime)
			m.server.Refresh(slot)
		} else {
			missing = append(missing, slot)
		}
	}
	return missing
}

// endLeases disarms the faults that nobody renews.
func (m *Mesh) endLeases(ctx context.Context) error {
	tick := time.NewTicker(LeaseTime / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		m.mu.Lock()
		for slot := range model.LeaseSlots {
			l := m.leases[slot]
			if l == nil || !l.fault.Armed || time.Now().Before(l.expires) {
				continue
			}
			off := *l.fault
			off.Armed = false
			m.opts.Log.Warn("a fault's lease ran out", "slot", slot, "fault", off.ID)
			late, cancel := context.WithTimeout(ctx, LeaseTime)
			if _, err := m.changeLease(late, slot, &off); err != nil {
				m.opts.Log.Warn("a fault is not off everywhere; its runtime layer ends by itself", "error", err)
			}
			cancel()
		}
		m.mu.Unlock()
	}
}

// Equal tells that nothing of what a mesh asks of a workload differs.
func (w Workload) Equal(o Workload) bool {
	return w.Kind == o.Kind && equalWorkload(&w.Workload, &o.Workload)
}

func equalWorkload(a, b *model.Workload) bool {
	return a.Name == b.Name && a.Owner == b.Owner && a.Namespace == b.Namespace &&
		a.ServiceAccount == b.ServiceAccount && a.Address == b.Address && a.ProxyPort == b.ProxyPort &&
		a.Locality == b.Locality && len(a.Labels) == len(b.Labels) && model.Labels(a.Labels, b.Labels) &&
		slices.Equal(a.Inbound, b.Inbound) && slices.Equal(a.Outbound, b.Outbound) && maps.Equal(a.Relays, b.Relays) && a.NotReady == b.NotReady && a.Gateway == b.Gateway
}

// admins reads proxies' own counters, where their nodes say.
type admins struct{ token string }

func (a admins) client(node *corev3.Node) (*envoy.Admin, error) {
	address := node.GetMetadata().GetFields()[AdminMetadata].GetStringValue()
	if address == "" {
		return nil, fmt.Errorf("node %s has no metadata %s", node.GetId(), AdminMetadata)
	}
	if agent := node.GetMetadata().GetFields()[AgentMetadata].GetStringValue(); agent != "" {
		return envoy.NewAdminThrough(tunnel.Dialer{Address: agent, Token: a.token}.Dial, address), nil
	}
	return envoy.NewAdmin(address), nil
}

func (a admins) Stat(ctx context.Context, node *corev3.Node, name string) (uint64, error) {
	c, err := a.client(node)
	if err != nil {
		return 0, err
	}
	return c.Stat(ctx, name)
}

func (a admins) Workers(ctx context.Context, node *corev3.Node) (uint64, error) {
	c, err := a.client(node)
	if err != nil {
		return 0, err
	}
	return c.Workers(ctx)
}
