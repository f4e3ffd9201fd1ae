package local

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/relay"
)

// block is a lab's own part of the loopback range. While its guard listens, no other lab takes it.
type block struct {
	n     int
	guard net.Listener
}

// The blocks of labs, and the port on which a block's guard listens.
const (
	firstBlock = 16
	lastBlock  = 250
	guardPort  = 15999
)

// proxyPort is where a sidecar takes its app's HTTP proxy requests.
const proxyPort = 15001

// firstTCPPort is where a sidecar's listeners for TCP services begin.
const firstTCPPort = 15100

// takeBlock finds a free block. Two labs can start at the same moment: the kernel decides who has it.
func takeBlock(ctx context.Context) (*block, error) {
	var lc net.ListenConfig
	var last error
	for n := firstBlock; n <= lastBlock; n++ {
		l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.%d.0.1:%d", n, guardPort))
		if err == nil {
			return &block{n: n, guard: l}, nil
		}
		last = err
	}
	return nil, fmt.Errorf("no free block 127.N.0.0/16 for a lab (N from %d to %d): %w\n"+
		"End other labs with squall down. Where the machine has 127.0.0.1 alone (macOS), loopback labs do not run yet", firstBlock, lastBlock, last)
}

func (b *block) form() platform.Form    { return platform.Loopback }
func (b *block) capture() model.Capture { return model.CaptureProxy }
func (b *block) close() error           { return b.guard.Close() }

// room: the third byte of an address is a workload's number.
func (b *block) room() int { return 251 }

// sidecar and app are the addresses of the k-th workload.
func (b *block) sidecar(k int) string { return fmt.Sprintf("127.%d.%d.1", b.n, k) }
func (b *block) app(k int) string     { return fmt.Sprintf("127.%d.%d.2", b.n, k) }

func (b *block) appAddress(w *model.Workload) string {
	return strings.TrimSuffix(w.Address, ".1") + ".2"
}

func (b *block) place(k int, w *model.Workload, services []*model.Service) {
	w.Address, w.ProxyPort = b.sidecar(k), proxyPort
	for n := range w.Inbound {
		in := &w.Inbound[n]
		in.Listen = model.Socket{Address: w.Address, Port: in.App.Port}
		in.App.Address = b.app(k)
	}
	port := uint32(firstTCPPort)
	for _, s := range services {
		for _, p := range s.Ports {
			if !p.Protocol.IsHTTP() && p.Protocol != model.UDP {
				w.Outbound = append(w.Outbound, model.OutboundTCP{
					Host: s.Host, Port: p.Number, Listen: model.Socket{Address: w.Address, Port: port},
				})
				port++
			}
		}
	}
}

func (b *block) variables(w *model.Workload) map[string]string {
	proxy := fmt.Sprintf("http://%s:%d", w.Address, w.ProxyPort)
	return map[string]string{"HTTP_PROXY": proxy, "http_proxy": proxy, "HTTPS_PROXY": proxy, "https_proxy": proxy}
}

func (b *block) enter(context.Context, *Instance) error  { return nil }
func (b *block) leave(*Instance) error                   { return nil }
func (b *block) fork(*Instance) func(func() error) error { return nil }
func (b *block) dial(*Instance) platform.Dial            { return nil }

func (b *block) reach(_ context.Context, w *model.Workload, host string, port uint32, http bool) (string, error) {
	return reachByProxy(w, host, port, http)
}

// reachByProxy: HTTP goes to the sidecar as a proxy, TCP to its listener for the service.
func reachByProxy(w *model.Workload, host string, port uint32, http bool) (string, error) {
	if http && w.ProxyPort != 0 {
		return fmt.Sprintf("%s:%d", w.Address, w.ProxyPort), nil
	}
	for _, o := range w.Outbound {
		if !http && o.Port == port && (o.Host == host || strings.HasPrefix(o.Host, host+".")) {
			return fmt.Sprintf("%s:%d", o.Listen.Address, o.Listen.Port), nil
		}
	}
	return "", noService(w, host, port)
}

// bootstrap binds what a sidecar sends to its own address, so that the receiving side knows the caller.
func (b *block) bootstrap(o *envoy.BootstrapOptions, w *model.Workload) { o.SourceAddress = w.Address }

func (b *block) drop(string, *Instance, *Instance, float64) error { return errNoNetwork }
func (b *block) undrop(string) (uint64, error)                    { return 0, errNoNetwork }
func (b *block) failNames(bool) (uint64, error)                   { return 0, errNoNetwork }

// firstRelay keeps relays' addresses clear of sidecar and app.
const firstRelay = 3

func (b *block) relay(ctx context.Context, k, n int, caller, called *Instance, port string) (*relay.Relay, string, error) {
	address := fmt.Sprintf("127.%d.%d.%d", b.n, k, firstRelay+n)
	r, err := relay.Listen(ctx, relay.Options{
		Listen: net.JoinHostPort(address, port), Upstream: net.JoinHostPort(called.Address, port), Source: caller.Address,
	})
	return r, address, err
}
