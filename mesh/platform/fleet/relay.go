package fleet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/squallmesh/squall/mesh/agent"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
)

// link is the relay from one workload to one port of another, in the caller's pod.
type link struct {
	caller, called *member
	listen         string
}

// openRelays makes relays between the workloads of a pair each other's way.
func (l *Lab) openRelays(ctx context.Context, p platform.Pair) error {
	met := false
	for _, caller := range l.members {
		for _, called := range l.members {
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
			address, err := l.relayAddress(caller)
			if err != nil {
				return err
			}
			for _, port := range ports(called) {
				r := agent.Relay{Listen: net.JoinHostPort(address, port), Upstream: net.JoinHostPort(called.Address, port)}
				if err := caller.proxy.OpenRelay(ctx, r); err != nil {
					return err
				}
			}
			caller.Relays[called.Address] = address
		}
	}
	if !met {
		return fmt.Errorf("no workload is %q, or none %q: there is no network between them to break", p.From, p.To)
	}
	return nil
}

// relayAddress gives an address at which a relay may listen in a member's pod, which no other relay of the lab has: it says where it leads.
func (l *Lab) relayAddress(m *member) (string, error) {
	block := m.place.Relays
	if !block.IsValid() {
		block = netip.MustParsePrefix(OwnRelays)
	}
	l.relayed++
	a := block.Masked().Addr().As4()
	a[2] += byte(l.relayed >> 8)
	a[3] += byte(l.relayed)
	at := netip.AddrFrom4(a)
	if !block.Contains(at) {
		return "", fmt.Errorf("%s has no room for more relays than %s", m.Name, block)
	}
	return at.String(), nil
}

// ports are those at which a workload's sidecar accepts, each once.
func ports(m *member) []string {
	var out []string
	for _, in := range m.Inbound {
		if in.Protocol != model.UDP {
			out = append(out, strconv.FormatUint(uint64(in.App.Port), 10))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// linksOf are the relays between the workloads of a pair.
func (l *Lab) linksOf(p platform.Pair) []link {
	var out []link
	for _, caller := range l.live() {
		for _, called := range l.live() {
			address := caller.Relays[called.Address]
			if address == "" || !p.Joins(&caller.Instance, &called.Instance) {
				continue
			}
			for _, port := range ports(called) {
				out = append(out, link{caller, called, net.JoinHostPort(address, port)})
			}
		}
	}
	return out
}

func (l *Lab) breakNetwork(ctx context.Context, id string, one *broken) error {
	n := one.Network
	one.links = l.linksOf(n.Pair)
	if len(one.links) == 0 {
		return fmt.Errorf("there is no relay between %s", n.Pair)
	}
	var err error
	if one.met, err = met(ctx, one); err != nil {
		return err
	}
	for _, link := range one.links {
		if err := link.caller.proxy.SetFault(ctx, link.listen, id, n.Fault); err != nil {
			return err
		}
		one.agents = append(one.agents, link.caller.proxy)
	}
	return nil
}

// met counts what a network fault can meet.
func met(ctx context.Context, one *broken) (sum uint64, err error) {
	for _, link := range one.links {
		m, err := link.caller.proxy.Met(ctx, link.listen)
		if err != nil {
			return 0, err
		}
		if one.Network.Fault.Reset {
			sum += m.Resets
		} else {
			sum += m.Passed
		}
	}
	return sum, nil
}

func (l *Lab) mendNetwork(ctx context.Context, id string, one *broken) (seen string, err error) {
	now, err := met(ctx, one)
	if err != nil {
		return "", err
	}
	for _, a := range one.agents {
		if err := a.ClearFault(ctx, id); err != nil {
			return "", err
		}
	}
	n := now - one.met
	switch {
	case n == 0:
		return "", nil
	case one.Network.Fault.Reset:
		return fmt.Sprintf("the relay reset %d connections", n), nil
	}
	return fmt.Sprintf("callers sent %d times through the relay meanwhile", n), nil
}
