package sim

import (
	"math/rand/v2"
	"time"

	"github.com/squallmesh/squall/mesh/sim/des"
)

// Network is a fault of the network between the workloads of two sides, as relays have it.
type Network struct {
	// Latency is what a round trip takes longer, Jitter how much more or less.
	Latency, Jitter time.Duration
	// Stall lets nothing pass; what was sent arrives when it ends.
	Stall bool
	// Reset ends open connections, and new ones too.
	Reset bool
}

// pairFault is a fault between the workloads that two tests name.
type pairFault struct {
	Network
	from, to func(workload string) bool
	random   *rand.Rand
	met      int
	held     []held
	joins    map[[2]*proxy]bool
}

// held is what a stall keeps.
type held struct {
	after time.Duration
	kind  des.Kind
	who   uint32
}

// link is the sum of the faults between a caller's proxy and the one that is called; nil where there is none.
type link struct {
	reset  bool
	faults []*pairFault
}

// meet counts a connection that is reset.
func (l *link) meet() {
	for _, f := range l.faults {
		if f.Reset {
			f.met++
		}
	}
}

// link finds the faults between two proxies.
func (m *Mesh) link(from, to *proxy) *link {
	if len(m.breaks) == 0 {
		return nil
	}
	var l *link
	for _, f := range m.breaks {
		key := [2]*proxy{from, to}
		joins, known := f.joins[key]
		if !known {
			joins = f.from(from.workload.Name) && f.to(to.workload.Name)
			f.joins[key] = joins
		}
		if joins {
			if l == nil {
				l = &link{}
			}
			l.faults = append(l.faults, f)
			l.reset = l.reset || f.Reset
		}
	}
	return l
}

// transmit lets an event happen when what it stands for was computed and has passed a link. Latency holds what goes up, as a relay does.
func (m *Mesh) transmit(l *link, up bool, need time.Duration, kind des.Kind, who uint32) {
	after := time.Duration(0)
	if l != nil {
		for _, f := range l.faults {
			if up && kind == evStart {
				f.met++
			}
			if f.Stall {
				f.held = append(f.held, held{after + need, kind, who})
				return
			}
			if up && kind == evStart && f.Latency > 0 {
				after += f.Latency
				if f.Jitter > 0 {
					after = max(-need, after+time.Duration(f.random.Int64N(2*int64(f.Jitter)+1))-f.Jitter)
				}
			}
		}
	}
	m.compute(after, need, kind, who)
}

// way is the time to a host.
func (m *Mesh) way(h *host) time.Duration {
	if h.target == nil {
		return m.times.Local
	}
	return m.times.Network
}

// BreakNetwork begins a fault between the workloads for which from and to are true, by the names of instances. mend ends it and says how
// many requests, or connections, it met.
func (m *Mesh) BreakNetwork(name string, n Network, from, to func(workload string) bool) (mend func() int) {
	f := &pairFault{Network: n, from: from, to: to, random: m.random("network/" + name), joins: map[[2]*proxy]bool{}}
	m.breaks = append(m.breaks, f)
	if n.Reset {
		for _, c := range m.conns.all {
			if c.refs >= 0 && !c.closed && c.host != nil && c.host.target != nil && from(c.host.cluster.proxy.workload.Name) && to(c.host.target.workload.Name) {
				f.met++
				m.resetLater(c)
			}
		}
	}
	return func() int {
		for i, other := range m.breaks {
			if other == f {
				m.breaks = append(m.breaks[:i:i], m.breaks[i+1:]...)
				break
			}
		}
		for _, h := range f.held {
			m.kernel.After(h.after, h.kind, h.who)
		}
		f.held = nil
		return f.met
	}
}
