package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/registry"
	"github.com/squallmesh/squall/mesh/registry/static"
)

// Injected is the kind of a pod that others run: with a sidecar, whose agent the lab uses, and an app of which the lab knows nothing.
const Injected = "injected"

// Cluster is a host in which others run pods too.
type Cluster interface {
	Host
	// Follow follows what is there until the context ends.
	Follow(context.Context) (Source, error)
	// Take gives the way into a pod that is there, once its agent answers.
	Take(ctx context.Context, p Pod, address string) (Place, error)
	// Sidecar names what sidecars are made of now.
	Sidecar() string
	// Tell takes lines for people.
	Tell(string)
}

// Source is what a cluster has.
type Source interface {
	State() (registry.State, error)
	// Changed gets a value when State may give something else.
	Changed() <-chan struct{}
	// Wait returns when nothing is followed any more.
	Wait()
}

// taken is the part of a lab that has to do with pods that others run.
type taken struct {
	host   Cluster
	source Source
	// wanted are the app's Deployments, namespace/name.
	wanted []string
	// up says that the lab has started: who comes or goes later is noted.
	up bool
	// gaps are why what was measured does not say what the app does, told once each.
	gaps []string
	told map[string]bool
}

// appearTimeout bounds how long the app's pods are waited for.
const appearTimeout = 20 * time.Second

// StartInjected brings a mesh up whose workloads are pods with sidecars that others run in the host's cluster, with the services there. Pods that
// come later join. The spec's app says which Deployments must be there at the start; nil is none.
func StartInjected(ctx context.Context, host Cluster, spec platform.Spec) (*Lab, error) {
	l := newLab(host, spec)
	l.taken = &taken{host: host, told: map[string]bool{}}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, l.Close()) //nolint:contextcheck // cleaning up goes on when the context has ended
	}
	l.taken.up = true
	l.inBackground(ctx, nil, l.follow)
	return l, nil
}

// takePods begins to follow the cluster, and takes the pods that the app needs.
func (l *Lab) takePods(ctx context.Context) (err error) {
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.mu.Lock()
	l.stops = append(l.stops, stop)
	l.mu.Unlock()
	if l.taken.source, err = l.taken.host.Follow(following); err != nil {
		return err
	}
	l.running.Go(func() {
		<-following.Done()
		l.taken.source.Wait()
	})
	waiting, cancel := context.WithTimeoutCause(ctx, appearTimeout, errors.New("they did not come"))
	defer cancel()
	for {
		state, err := l.taken.source.State()
		if err != nil {
			return err
		}
		missing := l.missing(state)
		if len(missing) == 0 {
			joined, _, err := l.adopt(ctx, state)
			l.members = append(l.members, joined...)
			return err
		}
		select {
		case <-l.taken.source.Changed():
		case <-waiting.Done():
			if err := ctx.Err(); err != nil {
				return err
			}
			return fmt.Errorf("the cluster has no pod of %s\napply the app's manifests into a namespace labelled istio-injection=enabled (kubectl get pods tells why a pod does not start), or run without --injected",
				strings.Join(missing, ", "))
		}
	}
}

// missing are the wanted Deployments without any pod.
func (l *Lab) missing(s registry.State) []string {
	return slices.DeleteFunc(slices.Clone(l.taken.wanted), func(want string) bool {
		return slices.ContainsFunc(slices.Concat(s.Pods, s.Bare), func(p registry.Pod) bool { return p.Namespace+"/"+p.Owner == want })
	})
}

// adopt notes the cluster's services, and makes members of the pods that are new. left are those that are gone.
func (l *Lab) adopt(ctx context.Context, s registry.State) (joined, left []*member, err error) {
	l.setServices(s.Services)
	for _, p := range s.Bare {
		l.doubt("pod %s has no sidecar, and is no part of the mesh: look at the webhook (squall doctor), then kubectl -n %s rollout restart deployment %s", p.Key(), p.Namespace, p.Owner)
	}
	there := map[string]registry.Pod{}
	for _, p := range s.Pods {
		if p.Sidecar != l.taken.host.Sidecar() {
			if slices.ContainsFunc(s.Pods, func(o registry.Pod) bool { return sameOwner(o, p) && o.Sidecar == l.taken.host.Sidecar() }) {
				continue // its successor is there, and it goes when that is ready
			}
			l.doubt("pod %s has the sidecar of another squall, and is no part of the mesh: kubectl -n %s rollout restart deployment %s", p.Key(), p.Namespace, p.Owner)
			continue
		}
		there[p.UID] = p
	}
	for _, m := range l.live() {
		if m.pod.Kind != Injected {
			continue
		}
		p, ok := there[m.uid]
		delete(there, m.uid)
		if !ok {
			left = append(left, m)
			continue
		}
		l.mu.Lock()
		m.NotReady = l.taken.up && !p.Ready
		m.Inbound = l.inbound(p)
		l.mu.Unlock()
	}
	g, taking := errgroup.WithContext(ctx)
	for _, p := range s.Pods {
		if _, isNew := there[p.UID]; !isNew {
			continue
		}
		m := l.injected(p)
		joined = append(joined, m)
		g.Go(func() error {
			place, err := l.taken.host.Take(taking, m.pod, p.Address)
			if err == nil {
				err = l.put(m, place)
			}
			if err == nil {
				err = m.reset(taking)
			}
			return err
		})
	}
	return joined, left, g.Wait()
}

// injected is the member that a pod becomes.
func (l *Lab) injected(p registry.Pod) *member {
	w := model.Workload{
		Name: p.Name, Owner: p.Owner, Namespace: p.Namespace, ServiceAccount: p.ServiceAccount, Labels: p.Labels, Locality: p.Locality,
		Pos: p.Pos, Inbound: l.inbound(p), NotReady: l.taken.up,
	}
	return &member{uid: p.UID, pod: podOf(&w, Injected), Instance: platform.Instance{Workload: mesh.Workload{Kind: model.Sidecar, Workload: w}}}
}

func (l *Lab) inbound(p registry.Pod) []model.Inbound {
	out := static.Inbound(p.Instance, l.services)
	for n := range out {
		out[n].App.Address = p.Address
	}
	return out
}

// setServices takes those that are understood.
func (l *Lab) setServices(files []config.File) {
	var manifests []config.File
	var services []*model.Service
	for _, f := range files {
		docs, problems := config.Parse(f)
		snap, more := config.Build(config.Set{}.With(docs...), model.Snapshot{Mesh: model.DefaultMesh()}, nil)
		problems.Add(more...)
		if err := problems.Err(); err != nil {
			l.doubt("%s is left out: %v", f.Name, err)
			continue
		}
		manifests = append(manifests, f)
		for _, s := range snap.Services.All() {
			services = append(services, s)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manifests, l.services = manifests, services
}

// doubt notes why the mesh is not what it should be.
func (l *Lab) doubt(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.mu.Lock()
	known := l.taken.told[text]
	l.taken.told[text] = true
	if !known {
		l.taken.gaps = append(l.taken.gaps, text)
	}
	l.mu.Unlock()
	if !known {
		l.taken.host.Tell(text)
	}
}

// Gaps are why what was measured does not say what the app does: pods without a sidecar, pods that came or went.
func (l *Lab) Gaps() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken == nil {
		return nil
	}
	return slices.Clone(l.taken.gaps)
}

func sameOwner(a, b registry.Pod) bool { return a.Namespace == b.Namespace && a.Owner == b.Owner }

// settled waits until the pods that were taken may be sent traffic, and no Deployment is between two versions: without a mesh none gets to the
// second. Who comes and goes meanwhile is no matter.
func (l *Lab) settled(ctx context.Context) error {
	for {
		s, err := l.taken.source.State()
		if err != nil {
			return err
		}
		waiting := l.unsettled(s)
		if waiting == "" {
			return nil
		}
		select {
		case <-l.taken.source.Changed():
			if err := l.sync(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", waiting, context.Cause(ctx))
		}
	}
}

// unsettled says what has to be waited for, or "".
func (l *Lab) unsettled(s registry.State) string {
	const version = "pod-template-hash"
	for _, m := range l.live() {
		if m.pod.Kind != Injected {
			continue
		}
		i := slices.IndexFunc(s.Pods, func(p registry.Pod) bool { return p.UID == m.uid })
		if i < 0 || !s.Pods[i].Ready {
			return fmt.Sprintf("pod %s does not get ready", m.pod.Key())
		}
		for _, o := range s.Pods {
			if sameOwner(o, s.Pods[i]) && o.Labels[version] != m.Labels[version] {
				return fmt.Sprintf("Deployment %s/%s has pods of two versions, %s and %s", o.Namespace, o.Owner, o.Name, m.Name)
			}
		}
	}
	return ""
}

// follow keeps the mesh as the cluster is, until the context ends.
func (l *Lab) follow(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.taken.source.Changed():
		case <-again:
		}
		again = nil
		if err := l.sync(ctx); err != nil && ctx.Err() == nil {
			l.doubt("the mesh is behind the cluster: %v", err)
			again = time.After(retryTime)
		}
	}
}

// retryTime is how long after a failure to keep up the next try is made.
const retryTime = 2 * time.Second

// joinTimeout bounds how long a pod may take to join.
const joinTimeout = 30 * time.Second

func (l *Lab) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	s, err := l.taken.source.State()
	if err != nil {
		return err
	}
	before := l.told()
	joined, left, err := l.adopt(ctx, s)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.members = append(l.members, joined...)
	for _, m := range left {
		m.gone = true
	}
	l.mu.Unlock()
	for _, m := range left {
		for _, stop := range m.stops {
			stop()
		}
		if l.taken.up {
			l.doubt("pod %s has left the mesh", m.pod.Key())
		}
	}
	tell := func(ctx context.Context) error { return l.tell(ctx, before) }
	if len(joined) == 0 {
		return tell(ctx)
	}
	if err := l.launch(ctx, joined, tell); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, m := range joined { // the next try begins anew
			m.gone = true
		}
		return err
	}
	for _, m := range joined {
		if l.taken.up {
			l.doubt("pod %s has joined the mesh", m.pod.Key())
		}
	}
	return nil
}

// knowledge is what the control plane was told.
type knowledge struct {
	manifests []config.File
	workloads []mesh.Workload
}

func (l *Lab) told() knowledge {
	workloads := l.workloads()
	l.mu.Lock()
	defer l.mu.Unlock()
	return knowledge{l.manifests, workloads}
}

// tell gives the control plane what differs from what it was told.
func (l *Lab) tell(ctx context.Context, before knowledge) error {
	now := l.told()
	req := mesh.ApplyRequest{Workloads: now.workloads}
	for _, f := range now.manifests {
		if !slices.ContainsFunc(before.manifests, func(g config.File) bool { return f.Name == g.Name && bytes.Equal(f.Data, g.Data) }) {
			req.Files = append(req.Files, f)
		}
	}
	for _, f := range before.manifests {
		if !slices.ContainsFunc(now.manifests, func(g config.File) bool { return f.Name == g.Name }) {
			key := strings.TrimPrefix(f.Name, "Service ")
			namespace, name, _ := strings.Cut(key, "/")
			req.Remove = append(req.Remove, mesh.Reference{Kind: "Service", Namespace: namespace, Name: name})
		}
	}
	if len(req.Files)+len(req.Remove) == 0 && slices.EqualFunc(before.workloads, now.workloads, mesh.Workload.Equal) {
		return nil
	}
	_, err := l.client.Apply(ctx, req)
	return err
}
