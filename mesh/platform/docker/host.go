package docker

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh/agent"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/image"
	"github.com/squallmesh/squall/mesh/tunnel"
)

// The networks of labs: one each of this size.
const (
	labBlock = "198.18.128.0/17"
	labBits  = 24
)

// host runs the pods of one lab.
type host struct {
	image, token string
	docker       *client.Client
	network      string
	subnet       netip.Prefix
	// here is this machine's address in the network, control the control plane's.
	here, control netip.Addr

	mu   sync.Mutex
	next netip.Addr
	pods map[string]*pod
	// stop ends the renewal of the lease, which is waited for.
	stop context.CancelFunc
	done chan struct{}
}

// pod is a pair of containers.
type pod struct {
	containers []testcontainers.Container
	agent      tunnel.Dialer
	app        bool
}

// newHost makes a network, and brings the image to Docker.
func newHost(ctx context.Context, o Options) (h *host, err error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	h = &host{token: hex.EncodeToString(b), pods: map[string]*pod{}, done: make(chan struct{})}
	if h.docker, err = connect(ctx); err != nil {
		return nil, err
	}
	if err := prepare(ctx, h.docker); err != nil {
		return nil, errors.Join(err, h.docker.Close())
	}
	if err := sweep(ctx, h.docker); err != nil {
		return nil, errors.Join(err, h.docker.Close())
	}
	if err := h.load(ctx, o.Programs); err != nil {
		return nil, errors.Join(err, h.docker.Close())
	}
	if err := h.takeNetwork(ctx); err != nil {
		return nil, errors.Join(err, h.docker.Close())
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	go h.renew(renewing)
	return h, nil
}

// load brings the image to Docker, unless it is there.
func (h *host) load(ctx context.Context, programs map[string]string) error {
	i, err := image.New(programs, fleet.RunDir, fleet.AppDir)
	if err != nil {
		return err
	}
	h.image = i.Reference
	if _, err := h.docker.ImageInspect(ctx, h.image); err == nil {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() { written <- errors.Join(i.Write(w), w.Close()) }()
	loaded, err := h.docker.ImageLoad(ctx, r)
	if err == nil {
		_, err = new(bytes.Buffer).ReadFrom(loaded)
		err = errors.Join(err, loaded.Close())
	}
	_ = r.Close() // whoever still writes gets an error
	if err := errors.Join(err, <-written); err != nil {
		return fmt.Errorf("the image of labs: %w", err)
	}
	return nil
}

// takeNetwork makes a network of addresses that no other has.
func (h *host) takeNetwork(ctx context.Context) error {
	block := netip.MustParsePrefix(labBlock)
	var last error
	for n := range 1 << (labBits - block.Bits()) {
		a := block.Addr().As4()
		a[2] += byte(n)
		h.subnet = netip.PrefixFrom(netip.AddrFrom4(a), labBits)
		h.network = "squall-lab-" + strconv.Itoa(n)
		_, err := h.docker.NetworkCreate(ctx, h.network, client.NetworkCreateOptions{
			Driver: "bridge", Labels: map[string]string{Label: h.network},
			IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: h.subnet, Gateway: h.subnet.Addr().Next()}}},
		})
		if err == nil {
			h.here = h.subnet.Addr().Next()
			h.control = h.here.Next()
			h.next = h.control
			return nil
		}
		last = err
	}
	return fmt.Errorf("no network of %s is free for a lab: %w", labBlock, last)
}

func (*host) Info() platform.Info          { return platform.Docker.Info() }
func (h *host) Here() string               { return h.here.String() }
func (h *host) Token() string              { return h.token }
func (*host) Gateway(p fleet.Place) string { return p.Address }

func (h *host) Discovery() string {
	return net.JoinHostPort(h.control.String(), strconv.Itoa(fleet.DiscoveryPort))
}

// Services does nothing: the control plane's pod answers for their names.
func (*host) Services(context.Context, []*model.Service) error { return nil }

// Run starts all pods at once.
func (h *host) Run(ctx context.Context, pods []fleet.Pod) ([]fleet.Place, error) {
	places := make([]fleet.Place, len(pods))
	g, ctx := errgroup.WithContext(ctx)
	for n, p := range pods {
		address := h.address()
		g.Go(func() (err error) {
			places[n], err = h.start(ctx, p, address)
			return err
		})
	}
	return places, g.Wait()
}

// address gives the next one. The first is the control plane's, which comes first.
func (h *host) address() netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.next
	h.next = a.Next()
	return a
}

// Add starts one more pod.
func (h *host) Add(ctx context.Context, p fleet.Pod) (fleet.Place, error) {
	return h.start(ctx, p, h.address())
}

// Remove ends a pod.
func (h *host) Remove(ctx context.Context, p fleet.Pod) error {
	h.mu.Lock()
	one := h.pods[p.Key()]
	delete(h.pods, p.Key())
	h.mu.Unlock()
	if one == nil {
		return nil
	}
	return one.terminate(ctx)
}

func (p *pod) terminate(ctx context.Context) error {
	var errs []error
	for _, c := range slices.Backward(p.containers) {
		errs = append(errs, c.Terminate(ctx, testcontainers.StopTimeout(0)))
	}
	return errors.Join(errs...)
}

// agentPoll is how often a starting agent is asked whether it is there.
const agentPoll = 20 * time.Millisecond

// start runs a pod's containers, and returns when their agents answer.
func (h *host) start(ctx context.Context, p fleet.Pod, address netip.Addr) (fleet.Place, error) {
	if !h.subnet.Contains(address) {
		return fleet.Place{}, fmt.Errorf("the lab's network %s is full", h.subnet)
	}
	at := netip.AddrPortFrom(address, uint16(p.Port())).String()
	one := &pod{agent: tunnel.Dialer{Address: at, Token: h.token}, app: p.Kind == fleet.Workload}
	h.mu.Lock()
	h.pods[p.Key()] = one
	h.mu.Unlock()
	if err := h.containers(ctx, p, one, address); err != nil {
		return fleet.Place{}, fmt.Errorf("pod %s does not start: %w%s", p.Key(), err, h.Explain(ctx, p))
	}
	sockets := []string{fleet.ProxySocket}
	if one.app {
		sockets = append(sockets, fleet.AppSocket)
	}
	for _, socket := range sockets {
		for {
			c, err := one.agent.Dial(ctx, tunnel.Unix, socket)
			if err == nil {
				_ = c.Close()
				break
			}
			select {
			case <-ctx.Done():
				return fleet.Place{}, fmt.Errorf("the agent of pod %s does not answer: %w (%w)\n%s", p.Key(), err, context.Cause(ctx), h.Explain(context.WithoutCancel(ctx), p))
			case <-time.After(agentPoll):
			}
		}
	}
	return fleet.Place{Address: address.String(), Agent: one.agent}, nil
}

// renew tells the agents that the lab is there, until the context ends.
func (h *host) renew(ctx context.Context) {
	defer close(h.done)
	tick := time.NewTicker(leaseTime / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		h.mu.Lock()
		pods := slices.Collect(func(yield func(*pod) bool) {
			for _, p := range h.pods {
				if !yield(p) {
					return
				}
			}
		})
		h.mu.Unlock()
		for _, p := range pods {
			_, _ = agent.NewClient(p.agent.Dial, "", fleet.ProxySocket).Status(ctx) // that it was asked is all
			if p.app {
				inside := tunnel.Dialer{Address: fleet.AppSocket, Through: p.agent.Dial}
				_, _ = agent.NewClient(inside.Dial, "", fleet.AppSocket).Status(ctx)
			}
		}
	}
}

// Explain gives the states and the last lines of a pod's containers.
func (h *host) Explain(ctx context.Context, p fleet.Pod) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	h.mu.Lock()
	one := h.pods[p.Key()]
	h.mu.Unlock()
	if one == nil {
		return ""
	}
	var out []string
	for _, c := range one.containers {
		s, err := c.State(ctx)
		if err != nil || s.Running {
			continue
		}
		out = append(out, fmt.Sprintf("a container ended with status %d: %s", s.ExitCode, s.Error))
		if log, err := c.Logs(ctx); err == nil {
			var b bytes.Buffer
			_, _ = b.ReadFrom(log)
			_ = log.Close()
			lines := strings.Split(strings.TrimSpace(b.String()), "\n")
			out = append(out, lines[max(0, len(lines)-5):]...)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "\npod " + p.Key() + ":\n    " + strings.Join(out, "\n    ")
}

// releaseTimeout bounds how long the end may take.
const releaseTimeout = 30 * time.Second

// Release ends all containers and the network.
func (h *host) Release() error {
	h.stop()
	<-h.done
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	h.mu.Lock()
	pods := h.pods
	h.pods = map[string]*pod{}
	h.mu.Unlock()
	var g errgroup.Group
	for _, p := range pods {
		g.Go(func() error { return p.terminate(ctx) })
	}
	err := g.Wait()
	if _, e := h.docker.NetworkRemove(ctx, h.network, client.NetworkRemoveOptions{}); e != nil {
		err = errors.Join(err, e)
	}
	return errors.Join(err, h.docker.Close())
}
