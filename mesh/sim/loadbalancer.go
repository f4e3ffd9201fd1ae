package sim

import (
	"math"
	"time"

	"github.com/squallmesh/squall/mesh/model"
)

// turns is where round robin, or the schedule of unequal weights, stands.
type turns struct {
	next  uint64
	sched *edf
}

// equal tells whether all hosts count alike now, so that no schedule is needed.
func (c *cluster) equal(list []*host) bool {
	for _, h := range list {
		if h.weight != list[0].weight || c.warming(h) {
			return false
		}
	}
	return true
}

// balance builds the schedules of a priority.
func (c *cluster) balance(p *priority, inPanic bool) {
	switch c.lbPolicy() {
	case model.RoundRobin, model.LeastRequest:
		c.schedule(&p.turns, p.healthy)
		c.schedule(&p.panicTurns, p.all)
	case model.RingHash, model.Maglev:
		list := p.healthy
		if inPanic {
			list = p.all
		}
		p.ring = c.newRing(list)
	case model.Random, model.Passthrough:
	}
}

func (c *cluster) schedule(t *turns, list []*host) {
	t.sched = nil
	if len(list) == 0 || c.equal(list) {
		return
	}
	t.sched = &edf{}
	for i, h := range list {
		t.sched.add(uint32(i), c.weightOf(h))
	}
	for range c.seed % uint64(len(list)) {
		t.sched.pick(func(i uint32) float64 { return c.weightOf(list[i]) })
	}
}

func (c *cluster) lbPolicy() model.LBPolicy {
	if lb := c.policy.LoadBalancer; lb != nil && lb.Policy != "" && lb.Policy != model.Passthrough {
		return lb.Policy
	}
	return model.LeastRequest
}

// warming tells whether a host is in its slow start.
func (c *cluster) warming(h *host) bool {
	lb := c.policy.LoadBalancer
	return lb != nil && lb.Warmup != nil && c.mesh.Now()-h.added < lb.Warmup.Duration
}

// weightOf is a host's weight now. In a slow start it grows with time: max(minimum, (max(t, 1s)/window)^(1/aggression)).
func (c *cluster) weightOf(h *host) float64 {
	w := float64(h.weight)
	if c.warming(h) {
		warm := c.policy.LoadBalancer.Warmup
		least, aggression := warm.MinimumPercent, warm.Aggression
		if least == 0 {
			least = 10
		}
		if aggression == 0 {
			aggression = 1
		}
		t := max(c.mesh.Now()-h.added, time.Second)
		w *= max(least/100, math.Pow(float64(t)/float64(warm.Duration), 1/aggression))
	}
	if c.lbPolicy() == model.LeastRequest {
		w /= float64(h.active + 1)
	}
	return w
}

// pick chooses a host for a request; nil without one. hash is nil where nothing is hashed.
func (c *cluster) pick(hash *uint64) *host {
	switch {
	case c.only != nil:
		return c.only
	case c.alike != nil:
		c.lb.Uint64() // would draw the priority
		return c.lessBusy(c.alike)
	}
	n := len(c.priorities)
	if n == 0 {
		c.stats.inc(cxNoneHealthy)
		return nil
	}
	draw := uint64(0)
	policy := c.lbPolicy()
	switch {
	case hash != nil && (policy == model.RingHash || policy == model.Maglev):
		draw = *hash
	case n > 1 || policy != model.RoundRobin:
		draw = c.lb.Uint64()
	}
	p, inPanic := c.pickPriority(draw)
	if inPanic {
		c.stats.inc(lbHealthyPanic)
	}
	h := c.pickIn(p, inPanic, policy, draw)
	if h == nil {
		c.stats.inc(cxNoneHealthy)
	}
	return h
}

func (c *cluster) pickIn(p *priority, inPanic bool, policy model.LBPolicy, draw uint64) *host {
	list, t := p.healthy, &p.turns
	switch {
	case inPanic:
		list, t = p.all, &p.panicTurns
	case p.places != nil && policy != model.RingHash && policy != model.Maglev:
		if i, ok := p.places.pick(func(i uint32) float64 { return p.localities[i].localitySchedW }); ok {
			list, t = p.localities[i].healthy, &p.localities[i].turns
		}
	}
	if len(list) == 0 {
		return nil
	}
	switch policy {
	case model.RoundRobin:
		if t.sched != nil {
			i, _ := t.sched.pick(func(i uint32) float64 { return c.weightOf(list[i]) })
			return list[i]
		}
		h := list[t.next%uint64(len(list))]
		t.next++
		return h
	case model.Random:
		return list[draw%uint64(len(list))]
	case model.RingHash, model.Maglev:
		return p.ring.host(draw)
	case model.LeastRequest, model.Passthrough:
	}
	if t.sched != nil {
		i, _ := t.sched.pick(func(i uint32) float64 { return c.weightOf(list[i]) })
		return list[i]
	}
	return c.lessBusy(list)
}

// lessBusy draws two hosts, perhaps the same, and takes the one with fewer requests; the first wins a tie.
func (c *cluster) lessBusy(list []*host) *host {
	a, b := list[c.lb.Uint64()%uint64(len(list))], list[c.lb.Uint64()%uint64(len(list))]
	if b.active < a.active {
		return b
	}
	return a
}

// like gives the healthy hosts where nothing but how busy they are makes a difference between them.
func (c *cluster) like() []*host {
	if len(c.priorities) != 1 || c.panics[0] || c.lbPolicy() != model.LeastRequest {
		return nil
	}
	p := c.priorities[0]
	if p.turns.sched != nil || p.places != nil {
		return nil
	}
	return p.healthy // nil without any
}

// weighLocalities makes the schedule of localities where a rule distributes requests over them: each by its weight, less where fewer of
// its hosts are healthy than overprovisioning makes up for.
func (c *cluster) weighLocalities(before []*priority) {
	lb := c.policy.LoadBalancer
	if lb == nil || lb.Locality == nil || lb.Locality.Disabled || len(lb.Locality.Distribute) == 0 || len(c.priorities) == 0 {
		return
	}
	p := c.priorities[0]
	var list []model.Endpoint
	byPlace := map[string]*host{}
	for _, h := range c.hosts {
		list = append(list, model.Endpoint{Address: h.address, Locality: h.locality, Weight: h.weight})
		byPlace[h.address] = h
	}
	p.places = &edf{}
	for i, g := range localityGroups(list, c.proxy.workload.Locality, c.proxy.workload.Labels, c.policy) {
		l := &locality{weight: g.weight}
		l.turns.next = c.seed
		if len(before) > 0 && i < len(before[0].localities) {
			l.turns.next = before[0].localities[i].turns.next
		}
		for _, e := range g.list {
			h := byPlace[e.Address]
			l.all = append(l.all, h)
			if h.healthy && !h.out {
				l.healthy = append(l.healthy, h)
			}
		}
		c.schedule(&l.turns, l.healthy)
		p.localities = append(p.localities, l)
		l.localitySchedW = float64(l.weight) * min(1, overprovisioning/100.*float64(len(l.healthy))/float64(len(l.all)))
		if l.localitySchedW > 0 {
			p.places.add(uint32(i), l.localitySchedW)
		}
	}
}
