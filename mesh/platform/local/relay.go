package local

import (
	"context"
	"fmt"
	"strconv"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/relay"
)

// link is the relay from one workload to one port of another.
type link struct {
	*relay.Relay
	caller, called *Instance
}

// startRelays opens a relay for each pair of workloads whose network can be broken, and makes them each other's way.
func (l *Lab) startRelays(ctx context.Context) error {
	for _, p := range l.opts.Relayed {
		if err := l.openRelays(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) openRelays(ctx context.Context, p platform.Pair) error {
	met := false
	for k, caller := range l.instances {
		for n, called := range l.instances {
			if !p.Joins(&caller.Instance, &called.Instance) {
				continue
			}
			met = true
			if caller.Relays[called.Address] != "" {
				continue // another fault of the plan has made it
			}
			if caller.Relays == nil {
				caller.Relays = map[string]string{}
			}
			if err := l.openRelay(ctx, k, n, caller, called); err != nil {
				return err
			}
		}
	}
	if !met {
		return fmt.Errorf("no workload is %q, or none %q: there is no network between them to break", p.From, p.To)
	}
	return nil
}

func (l *Lab) openRelay(ctx context.Context, k, n int, caller, called *Instance) error {
	for _, port := range ports(called) {
		r, address, err := l.net.relay(ctx, k, n, caller, called, port)
		if err != nil {
			return err
		}
		caller.Relays[called.Address] = address
		l.relays = append(l.relays, &link{r, caller, called})
	}
	return nil
}

// ports are those at which a workload's sidecar accepts, each once.
func ports(i *Instance) []string {
	var out []string
	seen := map[uint32]bool{}
	for _, in := range i.Inbound {
		port := in.Listen.Port
		if port == 0 { // the kernel redirects: callers use the app's
			port = in.App.Port
		}
		if in.Protocol != model.UDP && !seen[port] {
			seen[port] = true
			out = append(out, strconv.FormatUint(uint64(port), 10))
		}
	}
	return out
}

// Relays are those between a pair of workloads, one for each port.
func (l *Lab) Relays(p platform.Pair) []*relay.Relay {
	var out []*relay.Relay
	for _, r := range l.relays {
		if p.Joins(&r.caller.Instance, &r.called.Instance) {
			out = append(out, r.Relay)
		}
	}
	return out
}

// Beyond gives the address of the workload to which a relay's address leads, both with their port; any other address is its own.
func (l *Lab) Beyond(address string) string { return platform.Beyond(l.everyone(), address) }

// BeyondHost is Beyond for an address without a port.
func (l *Lab) BeyondHost(host string) string { return platform.BeyondHost(l.everyone(), host) }

// everyone is all instances there ever were; the list only grows.
func (l *Lab) everyone() []*platform.Instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]*platform.Instance, len(l.instances))
	for n, i := range l.instances {
		out[n] = &i.Instance
	}
	return out
}
