package kind

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/kind/inject"
	"github.com/squallmesh/squall/mesh/registry/kube"
	"github.com/squallmesh/squall/mesh/tunnel"
)

// systemNamespace has what is the mesh's own: the control plane, the gateway, the lease.
const systemNamespace = "istio-system"

// host runs the pods of one lab.
type host struct {
	*Cluster
	lease *lease
	token string

	mu sync.Mutex
	// entry is the way to all pods.
	entry tunnel.Dialer
	// namespaces are those that have what pods need.
	namespaces map[string]bool
}

// host waits until no other lab is in the cluster.
func (c *Cluster) host(ctx context.Context) (*host, error) {
	h := &host{Cluster: c, namespaces: map[string]bool{}}
	if err := h.makeNamespace(ctx, systemNamespace); err != nil {
		return nil, err
	}
	say := c.opts.Progress
	if say == nil {
		say = func(string) {}
	}
	who, err := holder()
	if err != nil {
		return nil, err
	}
	if h.lease, err = acquire(ctx, kube.Candidate{Client: c.kube, Namespace: systemNamespace, Name: labLease, Identity: who}, say); err != nil {
		return nil, err
	}
	if err := h.makeToken(ctx); err != nil {
		h.lease.release()
		return nil, err
	}
	if err := h.installWebhook(ctx); err != nil {
		h.lease.release()
		return nil, err
	}
	return h, nil
}

func (h *host) Info() platform.Info        { return h.opts.info() }
func (h *host) Here() string               { return h.here }
func (h *host) Token() string              { return h.token }
func (h *host) Discovery() string          { return net.JoinHostPort(h.node, strconv.Itoa(fleet.DiscoveryPort)) }
func (*host) Gateway(p fleet.Place) string { return p.Address }
func (h *host) Release() error             { h.lease.release(); return nil }

// Lost is closed if another lab may be in the cluster.
func (h *host) Lost() <-chan struct{} { return h.lease.lost }

func (h *host) makeNamespace(ctx context.Context, name string) error {
	_, err := h.kube.CoreV1().Namespaces().Create(ctx, namespace(name), meta.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("namespace %s: %w", name, err)
	}
	return nil
}

// makeToken makes the token, or takes the one that the pods have.
func (h *host) makeToken(ctx context.Context) error {
	api := h.kube.CoreV1().Secrets(systemNamespace)
	s, err := api.Get(ctx, inject.TokenSecret, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		var token string
		if token, err = newToken(); err != nil {
			return err
		}
		s, err = api.Create(ctx, inject.Secret(token), meta.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("the agents' token: %w", err)
	}
	h.token = string(s.Data[inject.TokenKey])
	if h.token == "" { // what was created comes back as it was sent
		h.token = s.StringData[inject.TokenKey]
	}
	h.namespaces[systemNamespace] = true
	return nil
}

func newToken() (string, error) {
	b := make([]byte, 32)
	_, err := rand.Read(b)
	return hex.EncodeToString(b), err
}

func namespace(name string) *core.Namespace {
	return &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: name}}
}

func serviceAccount(p fleet.Pod) *core.ServiceAccount {
	return &core.ServiceAccount{ObjectMeta: meta.ObjectMeta{Name: account(p), Namespace: p.Namespace}}
}

// prepare makes what a pod needs: its namespace with the token, and its account.
func (h *host) prepare(ctx context.Context, p fleet.Pod) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.namespaces[p.Namespace] {
		if err := h.makeNamespace(ctx, p.Namespace); err != nil {
			return err
		}
		_, err := h.kube.CoreV1().Secrets(p.Namespace).Create(ctx, inject.Secret(h.token), meta.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("the agents' token: %w", err)
		}
		h.namespaces[p.Namespace] = true
	}
	key := p.Namespace + "/" + account(p)
	if h.namespaces[key] {
		return nil
	}
	if _, err := h.kube.CoreV1().ServiceAccounts(p.Namespace).Create(ctx, serviceAccount(p), meta.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("service account %s: %w", key, err)
	}
	h.namespaces[key] = true
	return nil
}

// Run makes these pods the only ones of labs. Those that are there, and are as they should be, stay.
func (h *host) Run(ctx context.Context, pods []fleet.Pod) ([]fleet.Place, error) {
	there, err := h.kube.CoreV1().Pods("").List(ctx, meta.ListOptions{LabelSelector: labLabel})
	if err != nil {
		return nil, fmt.Errorf("pods: %w", err)
	}
	var unwanted errgroup.Group
	for i := range there.Items {
		p := &there.Items[i]
		if !slices.ContainsFunc(pods, func(want fleet.Pod) bool { return want.Key() == p.Namespace+"/"+p.Name }) {
			unwanted.Go(func() error { return h.delete(ctx, p.Namespace, p.Name) })
		}
	}
	places := make([]fleet.Place, len(pods))
	// The first is the way to the others.
	if places[0], err = h.Add(ctx, pods[0]); err != nil {
		return nil, errors.Join(err, unwanted.Wait())
	}
	h.entry = places[0].Agent
	g, adding := errgroup.WithContext(ctx)
	for n, p := range pods[1:] {
		g.Go(func() (err error) {
			places[n+1], err = h.Add(adding, p)
			return err
		})
	}
	return places, errors.Join(g.Wait(), unwanted.Wait())
}

// Add makes sure of a pod, and returns when its agents answer.
func (h *host) Add(ctx context.Context, p fleet.Pod) (fleet.Place, error) {
	if err := h.prepare(ctx, p); err != nil {
		return fleet.Place{}, err
	}
	want, err := h.manifest(p)
	if err != nil {
		return fleet.Place{}, err
	}
	api := h.kube.CoreV1().Pods(p.Namespace)
	got, err := api.Get(ctx, p.Name, meta.GetOptions{})
	switch {
	case err == nil && got.Annotations[hashLabel] == want.Annotations[hashLabel] && got.DeletionTimestamp == nil && running(got):
		return h.place(ctx, p, got.Status.PodIP)
	case err == nil:
		if err := h.delete(ctx, p.Namespace, p.Name); err != nil {
			return fleet.Place{}, err
		}
	case !apierrors.IsNotFound(err):
		return fleet.Place{}, fmt.Errorf("pod %s: %w", p.Key(), err)
	}
	if _, err := api.Create(ctx, want, meta.CreateOptions{}); err != nil {
		return fleet.Place{}, fmt.Errorf("pod %s: %w", p.Key(), err)
	}
	if got, err = h.await(ctx, p.Namespace, p.Name, settled); err != nil {
		return fleet.Place{}, fmt.Errorf("pod %s does not start: %w\n%s", p.Key(), err, h.Explain(context.WithoutCancel(ctx), p))
	}
	if !running(got) {
		return fleet.Place{}, fmt.Errorf("pod %s does not start\n%s", p.Key(), h.Explain(ctx, p))
	}
	return h.place(ctx, p, got.Status.PodIP)
}

// Remove has the cluster end a pod, which takes it some seconds: whoever needs it gone waits then.
func (h *host) Remove(ctx context.Context, p fleet.Pod) error {
	err := h.kube.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, meta.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("pod %s: %w", p.Key(), err)
	}
	return nil
}

// agentPoll is how often a starting agent is asked whether it is there.
const agentPoll = 20 * time.Millisecond

// place says where a pod is, once its agents answer.
func (h *host) place(ctx context.Context, p fleet.Pod, address string) (fleet.Place, error) {
	h.mu.Lock()
	entry := h.entry
	h.mu.Unlock()
	out := fleet.Place{Address: address, Agent: tunnel.Dialer{Address: net.JoinHostPort(address, strconv.Itoa(p.Port())), Token: h.token}}
	sockets := []string{fleet.ProxySocket}
	switch p.Kind {
	case fleet.Gateway:
		out.Relays = netip.MustParsePrefix(nodeRelays).Masked()
	case fleet.Workload:
		sockets = append(sockets, fleet.AppSocket)
		fallthrough
	case fleet.Injected:
		out.Agent.Through = entry.Dial
	}
	for _, socket := range sockets {
		for {
			c, err := out.Agent.Dial(ctx, tunnel.Unix, socket)
			if err == nil {
				_ = c.Close()
				break
			}
			select {
			case <-ctx.Done():
				return out, fmt.Errorf("the agent of pod %s does not answer: %w (%w)\n%s", p.Key(), err, context.Cause(ctx), h.Explain(context.WithoutCancel(ctx), p))
			case <-time.After(agentPoll):
			}
		}
	}
	return out, nil
}

// running tells that all of a pod's containers run.
func running(p *core.Pod) bool {
	if p.Status.Phase != core.PodRunning || p.Status.PodIP == "" || len(p.Status.ContainerStatuses) < len(p.Spec.Containers) {
		return false
	}
	return !slices.ContainsFunc(p.Status.ContainerStatuses, func(s core.ContainerStatus) bool { return s.State.Running == nil })
}

// settled tells that a pod runs, or will not.
func settled(p *core.Pod) bool {
	if p == nil {
		return false
	}
	if running(p) || p.Status.Phase == core.PodFailed || p.Status.Phase == core.PodSucceeded {
		return true
	}
	return slices.ContainsFunc(slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses), func(s core.ContainerStatus) bool {
		w := s.State.Waiting
		return s.State.Terminated != nil && s.State.Terminated.ExitCode != 0 ||
			w != nil && slices.Contains([]string{"ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "CreateContainerError", "CreateContainerConfigError"}, w.Reason)
	})
}

// await watches a pod until it is as it should be; nil is one that is gone.
func (h *host) await(ctx context.Context, namespace, name string, done func(*core.Pod) bool) (*core.Pod, error) {
	api := h.kube.CoreV1().Pods(namespace)
	for {
		pod, err := api.Get(ctx, name, meta.GetOptions{})
		if apierrors.IsNotFound(err) {
			pod, err = nil, nil
		}
		if err != nil {
			return nil, err
		}
		if done(pod) {
			return pod, nil
		}
		since := ""
		if pod != nil {
			since = pod.ResourceVersion
		}
		w, err := api.Watch(ctx, meta.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: since})
		if err != nil {
			return nil, err
		}
		select {
		case <-w.ResultChan(): // whatever it was, the pod is read again
			w.Stop()
		case <-ctx.Done():
			w.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

// delete ends a pod and returns when it is gone.
func (h *host) delete(ctx context.Context, namespace, name string) error {
	err := h.kube.CoreV1().Pods(namespace).Delete(ctx, name, meta.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		_, err = h.await(ctx, namespace, name, func(p *core.Pod) bool { return p == nil })
	}
	if err != nil {
		return fmt.Errorf("pod %s/%s: %w", namespace, name, err)
	}
	return nil
}

// Explain gives what the cluster says of a pod: the states of its containers, its last events, and the last lines of each.
func (h *host) Explain(ctx context.Context, p fleet.Pod) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var out []string
	if pod, err := h.kube.CoreV1().Pods(p.Namespace).Get(ctx, p.Name, meta.GetOptions{}); err == nil {
		for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			switch {
			case s.State.Waiting != nil && s.State.Waiting.Reason != "PodInitializing":
				out = append(out, fmt.Sprintf("container %s waits: %s %s", s.Name, s.State.Waiting.Reason, s.State.Waiting.Message))
			case s.State.Terminated != nil && s.State.Terminated.ExitCode != 0:
				out = append(out, fmt.Sprintf("container %s ended with status %d: %s", s.Name, s.State.Terminated.ExitCode, s.State.Terminated.Reason))
				lines := int64(5)
				log, err := h.kube.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &core.PodLogOptions{Container: s.Name, TailLines: &lines}).DoRaw(ctx)
				if err == nil {
					out = append(out, strings.Split(strings.TrimSpace(string(log)), "\n")...)
				}
			}
		}
	}
	events, err := h.kube.CoreV1().Events(p.Namespace).List(ctx, meta.ListOptions{FieldSelector: "involvedObject.name=" + p.Name + ",type=Warning"})
	if err == nil {
		for _, e := range events.Items[max(0, len(events.Items)-3):] {
			out = append(out, "event "+e.Reason+": "+e.Message)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "pod " + p.Key() + ":\n    " + strings.Join(out, "\n    ")
}
