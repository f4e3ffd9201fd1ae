package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/dns"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/netns"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/relay"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// The network of pods: the bridge has its first address, workloads those after the node's own. Each lab has a network of its own, so that
// labs side by side have the same addresses.
const podBlock = "198.18.64.0/18"

// nodeAddresses is how many of the block are the node's own: the first, which names the network, the bridge's, and some in reserve.
const nodeAddresses = 17

// pods is a network of namespaces, in which the kernel redirects traffic to the sidecars.
type pods struct {
	node  *netns.Node
	first netip.Addr
	names *mesh.Names
	dns   *dns.Server

	mu      sync.Mutex
	spaces  map[*Instance]*netns.Namespace
	joined  int
	relayed int
	// drops are the ends at which packets get lost, by the fault's id.
	drops map[string][]end
	// failed is how many names had failed when they began to.
	failed uint64
}

// end is where packets that come from somewhere are dropped, under the name of their fault there.
type end struct {
	space *netns.Namespace
	name  string
}

func newPods(ctx context.Context, l *Lab) (*pods, error) {
	first := netip.MustParsePrefix(podBlock).Addr().Next()
	node, err := netns.NewNode(netip.PrefixFrom(first, netip.MustParsePrefix(podBlock).Bits()))
	if err != nil {
		return nil, fmt.Errorf("the network of the pods: %w", err)
	}
	p := &pods{node: node, first: first, names: mesh.NewNames(l.client), spaces: map[*Instance]*netns.Namespace{}, drops: map[string][]end{}}
	at := net.JoinHostPort(first.String(), "53")
	udp, err := node.ListenPacket(ctx, "udp4", at)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("DNS server: %w", err), node.Close())
	}
	tcp, err := node.Listen(ctx, "tcp4", at)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("DNS server: %w", err), udp.Close(), node.Close())
	}
	p.dns = dns.Serve(udp, tcp, p.names.Find)
	return p, nil
}

func (p *pods) form() platform.Form    { return platform.Pods }
func (p *pods) capture() model.Capture { return model.CaptureRedirect }

// room: half of the block.
func (p *pods) room() int { return 1<<13 - nodeAddresses }

func (p *pods) place(k int, w *model.Workload, _ []*model.Service) {
	a := p.first
	for range k + nodeAddresses - 1 {
		a = a.Next()
	}
	w.Address = a.String()
	for n := range w.Inbound {
		w.Inbound[n].App.Address = w.Address
	}
}

func (p *pods) appAddress(w *model.Workload) string { return w.Address }

func (p *pods) variables(*model.Workload) map[string]string { return nil }

// enter makes the workload's namespace. A gateway takes what comes to its ports; around all others the kernel redirects.
func (p *pods) enter(_ context.Context, i *Instance) error {
	ns, err := netns.New()
	if err != nil {
		return fmt.Errorf("the pod of %s: %w", i.Name, err)
	}
	p.mu.Lock()
	p.spaces[i] = ns
	name := fmt.Sprintf("pod%d", p.joined)
	p.joined++
	p.mu.Unlock()
	address, err := netip.ParseAddr(i.Address)
	if err == nil {
		err = p.node.Join(ns, name, address)
	}
	if err == nil && i.Kind == model.Sidecar {
		err = ns.Capture(netns.Capture{
			Outbound: translate.VirtualOutboundPort, Inbound: translate.VirtualInboundPort,
			Source: netip.MustParseAddr(translate.InboundSource), PassInbound: platform.PassedPorts(), PassOutbound: []netip.Addr{p.node.Address()},
		})
	}
	if err == nil {
		err = p.files(ns, i)
	}
	if err != nil {
		return fmt.Errorf("the pod of %s: %w", i.Name, err)
	}
	return nil
}

// nsswitch may have a resolver outside asked before the DNS server.
const nsswitch = "/etc/nsswitch.conf"

var hostsLine = regexp.MustCompile(`(?m)^hosts:.*$`)

// files gives the pod the files by which programs find names.
func (p *pods) files(ns *netns.Namespace, i *Instance) error {
	domain := model.DefaultMesh().Domain
	cluster := domain[strings.Index(domain, ".")+1:]
	services, _ := os.ReadFile(nsswitch)
	for _, f := range []struct{ path, content string }{
		// As a kubelet writes them.
		{"/etc/resolv.conf", fmt.Sprintf("nameserver %s\nsearch %s.%s %s %s\noptions ndots:5\n", p.node.Address(), i.Namespace, domain, domain, cluster)},
		{"/etc/hosts", fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", i.Address, i.Name)},
		{nsswitch, hostsLine.ReplaceAllString(string(services), "hosts: files dns")},
	} {
		if _, err := os.Stat(f.path); err != nil {
			if f.path == "/etc/resolv.conf" {
				return fmt.Errorf("programs find no names: %w: make an empty file there", err)
			}
			continue // programs do without
		}
		own := filepath.Join(i.dir, filepath.Base(f.path))
		if err := os.WriteFile(own, []byte(f.content), 0o644); err != nil { //nolint:gosec // all programs of the pod may read it
			return err
		}
		if err := ns.Bind(own, f.path); err != nil {
			return err
		}
	}
	return nil
}

func (p *pods) space(i *Instance) *netns.Namespace {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spaces[i]
}

func (p *pods) leave(i *Instance) error {
	ns := p.space(i)
	if ns == nil {
		return nil
	}
	p.mu.Lock()
	delete(p.spaces, i)
	p.mu.Unlock()
	return ns.Close()
}

func (p *pods) fork(i *Instance) func(func() error) error {
	ns := p.space(i)
	if ns == nil {
		return func(func() error) error { return netns.ErrClosed }
	}
	return ns.Do
}

// dial connects as the workload's app does, whose connections are redirected; for nil, as somebody beside the pods.
func (p *pods) dial(i *Instance) platform.Dial {
	ns := p.node.Namespace
	if i != nil {
		ns = p.space(i)
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if ns == nil {
			return nil, netns.ErrClosed
		}
		return ns.Dial(ctx, network, address, 0)
	}
}

func (p *pods) reach(ctx context.Context, w *model.Workload, host string, port uint32, _ bool) (string, error) {
	address, ok := p.names.Search(ctx, host, w.Namespace)
	if !ok {
		return "", noService(w, host, port)
	}
	return fmt.Sprintf("%s:%d", address, port), nil
}

func (p *pods) bootstrap(o *envoy.BootstrapOptions, _ *model.Workload) { o.SocketMark = netns.Mark }

// relay listens in the caller's namespace, at a loopback address that no other relay of the lab has, and connects from there as a
// sidecar does.
func (p *pods) relay(ctx context.Context, _, _ int, caller, called *Instance, port string) (*relay.Relay, string, error) {
	address := caller.Relays[called.Address]
	if address == "" {
		p.mu.Lock()
		p.relayed++
		address = fmt.Sprintf("127.18.%d.%d", p.relayed/250, p.relayed%250+1)
		p.mu.Unlock()
	}
	ns := p.space(caller)
	at := net.JoinHostPort(address, port)
	l, err := ns.Listen(ctx, "tcp4", at)
	if err != nil {
		return nil, "", err
	}
	r, err := relay.Listen(ctx, relay.Options{
		Listen: at, Listener: l, Upstream: net.JoinHostPort(called.Address, port),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return ns.Dial(ctx, network, address, netns.Mark)
		},
	})
	return r, address, err
}

func (p *pods) drop(id string, a, b *Instance, percent float64) error {
	for _, way := range [][2]*Instance{{a, b}, {b, a}} {
		from, err := netip.ParseAddr(way[0].Address)
		if err != nil {
			return err
		}
		p.mu.Lock()
		one := end{p.spaces[way[1]], fmt.Sprintf("drop%d", p.joined)}
		p.joined++
		p.mu.Unlock()
		if one.space == nil {
			continue
		}
		if err := one.space.Drop(one.name, from, percent); err != nil {
			return fmt.Errorf("between %s and %s: %w", a.Name, b.Name, err)
		}
		p.mu.Lock()
		p.drops[id] = append(p.drops[id], one)
		p.mu.Unlock()
	}
	return nil
}

func (p *pods) undrop(id string) (packets uint64, err error) {
	p.mu.Lock()
	ends := p.drops[id]
	delete(p.drops, id)
	p.mu.Unlock()
	for _, one := range ends {
		n, e := one.space.Undrop(one.name)
		if errors.Is(e, netns.ErrClosed) { // scaled away meanwhile
			e = nil
		}
		packets, err = packets+n, errors.Join(err, e)
	}
	return packets, err
}

func (p *pods) failNames(fail bool) (uint64, error) {
	p.dns.Refuse(fail)
	n := p.dns.Refused()
	p.mu.Lock()
	defer p.mu.Unlock()
	since := n - p.failed
	p.failed = n
	return since, nil
}

func (p *pods) close() error {
	p.mu.Lock()
	spaces := p.spaces
	p.spaces = map[*Instance]*netns.Namespace{}
	p.mu.Unlock()
	errs := []error{p.dns.Close()}
	for _, ns := range spaces { // each on its own
		errs = append(errs, ns.Close())
	}
	return errors.Join(append(errs, p.node.Close())...)
}
