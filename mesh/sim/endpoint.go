package sim

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/squallmesh/squall/mesh/model"
)

// setEndpoints gives a cluster the endpoints of the snapshot. An endpoint that stays keeps what is known of it.
func (c *cluster) setEndpoints() {
	m := c.mesh
	c.endpoints = m.snap.Endpoints.At(c.at.host)
	var labels map[string]string
	if s := subsetOf(c.rule, c.subset); s != nil {
		labels = s.Labels
	}
	var list []model.Endpoint
	if c.endpoints != nil {
		for _, e := range c.endpoints.List {
			if _, err := netip.ParseAddr(e.Address); err != nil {
				continue // a name, which nobody looks up in a lab
			}
			if _, ok := e.Ports[c.at.port]; ok && model.Labels(e.Labels, labels) {
				list = append(list, e)
			}
		}
	}
	old := map[string]*host{}
	for _, h := range c.hosts {
		old[h.address] = h
	}
	var hosts []*host
	for _, g := range localityGroups(list, c.proxy.workload.Locality, c.proxy.workload.Labels, c.policy) {
		for _, e := range g.list {
			address := fmt.Sprintf("%s:%d", e.Address, e.Ports[c.at.port])
			h := old[address]
			if h == nil {
				h = c.newHost(address)
			}
			delete(old, address)
			h.target, h.weight, h.locality, h.level = m.byPlace[e.Address], max(1, e.Weight), e.Locality, g.priority
			h.healthy = e.Health == model.Healthy
			hosts = append(hosts, h)
		}
	}
	for _, h := range c.hosts {
		if old[h.address] != nil {
			h.gone = true
			h.closeIdle()
			c.outlier.forget(h)
		}
	}
	c.hosts = hosts
	c.merge.last = m.Now()
	c.refresh()
}

// locality is what a priority has of one place.
type locality struct {
	weight         uint32
	all, healthy   []*host
	turns          turns
	localitySchedW float64
}

// priority is the endpoints that are asked before those of the next.
type priority struct {
	all, healthy []*host
	turns        turns // of healthy hosts
	panicTurns   turns // of all hosts
	localities   []*locality
	places       *edf // of localities, where they are weighted
	ring         *ring
}

// refresh rebuilds what balancing needs after hosts or their health changed. Where a balancer takes turns it goes on from where it was.
func (c *cluster) refresh() {
	levels := uint32(0)
	for _, h := range c.hosts {
		levels = max(levels, h.level+1)
	}
	before := c.priorities
	c.priorities = nil
	for l := range levels {
		p := &priority{}
		if int(l) < len(before) {
			p.turns.next, p.panicTurns.next = before[l].turns.next, before[l].panicTurns.next
		} else {
			p.turns.next, p.panicTurns.next = c.seed, c.seed
		}
		for _, h := range c.hosts {
			if h.level != l {
				continue
			}
			p.all = append(p.all, h)
			if h.healthy && !h.out {
				p.healthy = append(p.healthy, h)
			}
		}
		c.priorities = append(c.priorities, p)
	}
	c.loads()
	for i, p := range c.priorities {
		c.balance(p, c.panics[i])
	}
	c.weighLocalities(before)
	c.alike, c.only = c.like(), nil
	if len(c.alike) == 1 {
		c.only = c.alike[0]
	}
}

// overprovisioning is how far healthy hosts make up for others: Envoy's 140 %.
const overprovisioning = 140

// loads divides requests over the priorities by how many of their hosts are healthy, and finds where panic is.
// Source: Envoy's LoadBalancerBase::recalculatePerPriorityState and recalculatePerPriorityPanic.
func (c *cluster) loads() {
	n := len(c.priorities)
	c.levels, c.panics = make([]uint32, n), make([]bool, n)
	if n == 0 {
		return
	}
	health := make([]uint32, n)
	total := uint32(0)
	for i, p := range c.priorities {
		if len(p.all) > 0 {
			health[i] = min(100, overprovisioning*uint32(len(p.healthy))/uint32(len(p.all)))
		}
		total += health[i]
	}
	total = min(total, 100)
	if total == 0 {
		c.levels[0] = 100
	} else {
		left, first := uint32(100), -1
		for i := range health {
			c.levels[i] = min(left, health[i]*100/total)
			left -= c.levels[i]
			if first < 0 && c.levels[i] > 0 {
				first = i
			}
		}
		c.levels[first] += left
	}
	if total >= 100 {
		return
	}
	threshold := c.panicThreshold()
	all := true
	for i, p := range c.priorities {
		share := 0.0
		if len(p.all) > 0 {
			share = 100 * float64(len(p.healthy)) / float64(len(p.all))
		}
		c.panics[i] = share < threshold
		all = all && c.panics[i]
	}
	if all && n > 1 {
		c.panicLoads()
	}
}

// panicLoads divides requests by the number of hosts, where every priority is in panic.
func (c *cluster) panicLoads() {
	hosts := uint32(len(c.hosts))
	left := uint32(100)
	for i, p := range c.priorities {
		c.levels[i] = min(left, 100*uint32(len(p.all))/max(1, hosts))
		left -= c.levels[i]
	}
	c.levels[0] += left
}

// panicThreshold in per cent: Envoy's 50, and with outlier detection what the rule says, 0 if it says nothing.
func (c *cluster) panicThreshold() float64 {
	o := c.policy.Outlier
	switch {
	case o == nil:
		return 50
	case o.MinHealthPercent == nil:
		return 0
	}
	return float64(*o.MinHealthPercent)
}

// pickPriority draws a priority and says whether it is in panic; nil without any.
func (c *cluster) pickPriority(hash uint64) (*priority, bool) {
	switch len(c.priorities) {
	case 0:
		return nil, false
	case 1:
		return c.priorities[0], c.panics[0]
	}
	n := uint32(hash % 100)
	for i, share := range c.levels {
		if n < share {
			return c.priorities[i], c.panics[i]
		}
		n -= share
	}
	return c.priorities[0], c.panics[0]
}

func subsetOf(rule *model.DestinationRule, name string) *model.Subset {
	if rule == nil {
		return nil
	}
	return rule.Subset(name)
}

// byAddress sorts hosts.
func byAddress(list []*host) []*host {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b *host) int {
		if a.address < b.address {
			return -1
		}
		return 1
	})
	return out
}
