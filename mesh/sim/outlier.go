package sim

import "time"

// outlier is what a cluster knows of endpoints that fail. Source: Envoy's DetectorImpl; success rates and failure percentages are off, as
// Istio has them.
type outlier struct {
	// errors in a row, and whether so many throw out; without they only count.
	errors5xx, errorsGate   uint32
	enforce5xx, enforceGate bool
	interval, base, longest time.Duration
	maxPercent              float64
	begun                   time.Duration
	sweeping                bool
	active                  int
	queue                   []doomed
}

// doomed is a host whose ejection is on its way to the main thread.
type doomed struct {
	host    *host
	gateway bool
}

// The defaults of Envoy.
const (
	defaultErrors   = 5
	defaultInterval = 10 * time.Second
	defaultBase     = 30 * time.Second
	longestEjection = 300 * time.Second
)

func (o *outlier) configure(c *cluster) {
	rule := c.policy.Outlier
	*o, c.watched = outlier{begun: c.mesh.began[c.rule]}, false
	if rule == nil {
		return
	}
	c.watched = true
	o.maxPercent, o.longest = 10, longestEjection
	o.errors5xx, o.enforce5xx = enforced(rule.Consecutive5xx, true)
	o.errorsGate, o.enforceGate = enforced(rule.ConsecutiveGateway, false)
	o.interval, o.base = rule.Interval, rule.BaseEjection
	if o.interval == 0 {
		o.interval = defaultInterval
	}
	if o.base == 0 {
		o.base = defaultBase
	}
	if rule.MaxEjectionPercent != nil {
		o.maxPercent = min(100, float64(*rule.MaxEjectionPercent))
	}
	o.longest = max(o.longest, o.base)
}

// enforced reads a number of errors in a row: unset keeps Envoy's five, which throw out only where Envoy enforces them by itself; 0 never
// throws out.
func enforced(n *uint32, byDefault bool) (uint32, bool) {
	switch {
	case n == nil:
		return defaultErrors, byDefault
	case *n == 0:
		return defaultErrors, false
	}
	return *n, true
}

// sawStatus counts what came of an attempt at a host: a status, or 503 for a broken connection and 504 for none in time.
func (c *cluster) sawStatus(h *host, status int) {
	o := &c.outlier
	if !c.watched {
		return
	}
	if status < 500 || status > 599 {
		h.errors5xx, h.errorsGate = 0, 0
		return
	}
	if status >= 502 && status <= 504 {
		if h.errorsGate++; h.errorsGate == o.errorsGate {
			c.doom(h, true)
		}
	} else {
		h.errorsGate = 0
	}
	if h.errors5xx++; h.errors5xx == o.errors5xx {
		c.doom(h, false)
	}
}

// doom hands a host to the main thread, which throws it out a little later.
func (c *cluster) doom(h *host, gateway bool) {
	c.outlier.queue = append(c.outlier.queue, doomed{h, gateway})
	c.mesh.kernel.After(c.mesh.times.Crossing, evEject, c.later())
}

func (c *cluster) ejectQueued() {
	o := &c.outlier
	d := o.queue[0]
	o.queue = o.queue[1:]
	h := d.host
	if h.ejected || h.gone || c.retired {
		return
	}
	enforce, detected, counted := o.enforce5xx, ejectionsDetected5xx, ejectionsEnforced5xx
	if d.gateway {
		enforce, detected, counted = o.enforceGate, ejectionsDetectedGateway, ejectionsEnforcedGateway
		h.errorsGate = 0
	} else {
		c.stats.inc(ejections5xx)
		h.errors5xx = 0
	}
	c.stats.inc(detected)
	if 100*float64(o.active+1)/float64(len(c.hosts)) > o.maxPercent {
		c.stats.inc(ejectionsOverflow)
		return
	}
	if !d.gateway {
		c.stats.inc(ejectionsTotal)
	}
	if !enforce {
		return
	}
	o.active++
	c.stats.inc(ejectionsEnforced)
	c.stats.inc(counted)
	h.ejected, h.ejectedAt = true, c.mesh.Now()
	if time.Duration(h.backoff)*o.base < o.longest+o.base {
		h.backoff++
	}
	c.mesh.sawEjection(h)
	c.healthChanged(h)
	c.arm()
}

// arm schedules the next sweep, at a whole number of intervals since the cluster began; without anything to do none is needed.
func (c *cluster) arm() {
	o := &c.outlier
	if o.sweeping {
		return
	}
	o.sweeping = true
	every := o.interval + c.mesh.times.Timer
	passed := (c.mesh.Now() - o.begun) / every
	c.mesh.kernel.At(o.begun+(passed+1)*every, evSweep, c.later())
}

// sweep lets back who has been out long enough, and forgives the others a little.
func (c *cluster) sweep() {
	o := &c.outlier
	o.sweeping = false
	if c.retired {
		return
	}
	busy := false
	for _, h := range c.hosts {
		switch {
		case !h.ejected:
			// Envoy forgives once a whole interval has passed since the return.
			if h.backoff > 0 && c.mesh.Now()-h.returnedAt >= o.interval {
				h.backoff--
			}
		case c.mesh.Now()-h.ejectedAt >= min(time.Duration(h.backoff)*o.base, o.longest):
			o.active--
			h.ejected, h.errors5xx, h.errorsGate, h.returnedAt = false, 0, 0, c.mesh.Now()
			c.mesh.sawReturn(h)
			c.healthChanged(h)
		}
		busy = busy || h.ejected || h.backoff > 0
	}
	if busy {
		c.arm()
	}
}

// forget takes a host out that has left.
func (o *outlier) forget(h *host) {
	if h.ejected {
		o.active--
		h.ejected = false
		h.cluster.mesh.sawReturn(h)
	}
}

// merging is Envoy's window for updates of hosts that can be merged: one that comes sooner after the last takes effect when it is over.
type merging struct {
	window  time.Duration // negative: none
	last    time.Duration
	waiting bool
}

// healthChanged makes the load balancer know of an ejection or a return, at once or when the window is over.
func (c *cluster) healthChanged(h *host) {
	g, now := &c.merge, c.mesh.Now()
	if g.window <= 0 || !g.waiting && now-g.last > g.window {
		h.out = h.ejected
		g.last = now
		c.refresh()
		return
	}
	if !g.waiting {
		g.waiting = true
		c.mesh.kernel.After(g.window, evMerge, c.later())
	}
}

func (c *cluster) mergeNow() {
	c.merge.waiting, c.merge.last = false, c.mesh.Now()
	for _, h := range c.hosts {
		h.out = h.ejected
	}
	c.refresh()
}

// Ejection is told when an endpoint is thrown out or comes back.
type Ejection struct {
	// Proxy is the workload beside whose proxy, by its id; Endpoint the address without its port.
	Proxy, Cluster, Endpoint string
	Out                      bool
}

func (m *Mesh) sawEjection(h *host) { m.tell(h, true) }
func (m *Mesh) sawReturn(h *host)   { m.tell(h, false) }

func (m *Mesh) tell(h *host, out bool) {
	if m.Ejected == nil {
		return
	}
	address, _ := cutPort(h.address)
	m.Ejected(Ejection{h.cluster.proxy.id, h.cluster.name, address, out})
}
