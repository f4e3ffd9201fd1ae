package sim

import "github.com/squallmesh/squall/mesh/sim/queue"

// Kill ends the processes of a workload, by the instance's name: its app, its proxy, or both. What they were doing is lost.
func (m *Mesh) Kill(workload string, app, proxy bool) {
	p := m.named(workload)
	if p == nil {
		return
	}
	if proxy {
		m.kill(p)
	}
	if app && p.app != nil {
		m.killApp(p.app)
	}
}

// Revive starts again what was killed. A backend has forgotten what it was told.
func (m *Mesh) Revive(workload string, app, proxy bool) {
	p := m.named(workload)
	if p == nil {
		return
	}
	if proxy {
		p.down = false
		// Its counters begin anew, and so does all that it knew.
		p.routes, p.tcp, p.inbounds = few[messageID, *resolved]{}, map[uint32]*resolved{}, few[uint32, *resolved]{}
		p.clusters, p.order = map[string]*cluster{}, nil
		p.rbac, p.quotas.buckets, p.passages = nil, nil, few[passageKey, *passage]{}
		p.stats, p.outboundStats, p.inboundStats = map[string]*clusterStats{}, httpStats{}, httpStats{}
	}
	if app && p.app != nil {
		p.app.down = false
	}
}

// Pause stops the app of a workload, whose connections stay and are accepted; goOn ends it.
func (m *Mesh) Pause(workload string) (goOn func()) {
	p := m.named(workload)
	if p == nil || p.app == nil {
		return func() {}
	}
	p.app.paused = true
	return func() { m.thaw(p.app) }
}

func (m *Mesh) named(workload string) *proxy {
	for _, p := range m.proxies {
		if !p.gone && p.workload.Name == workload {
			return p
		}
	}
	return nil
}

// kill ends a proxy: its streams are over and leave no log, its connections break.
func (m *Mesh) kill(p *proxy) {
	p.down = true
	for _, c := range m.conns.all {
		if c.refs < 0 || c.closed || c.host == nil {
			continue
		}
		if c.host.target == p {
			m.resetLater(c)
		}
	}
	for _, s := range m.streams.all {
		if s.refs < 0 || s.over || s.proxy != p || !s.started {
			continue
		}
		m.settle(s)
		m.dropUpstream(s)
		if s.parent != nil { // its connection breaks, which tells the caller
			s.over = true
			if s.parent.child == s {
				s.parent.child = nil
			}
			m.forget(s)
			continue
		}
		s.broken = true
		m.end(s, 0)
	}
	for _, c := range p.order {
		c.retire()
	}
}

// close has an app's station forget who waits and who is served.
func (a *app) close() {
	if a.station == nil {
		return
	}
	a.station = queue.NewFCFS(a.opts.Servers, a.opts.Room)
	for _, t := range a.mesh.tasks.all {
		if t.refs < 0 || t.app != a {
			continue
		}
		t.served = false
		if t.waits {
			t.waits = false
			t.refs--
			let(&a.mesh.tasks, t)
		}
	}
}

// killApp ends an app: its requests break, and it has nothing in mind any more.
func (m *Mesh) killApp(a *app) {
	a.down = true
	a.frozen = nil
	for _, t := range m.tasks.all {
		if t.refs < 0 || t.over || t.app != a || !t.arrived {
			continue
		}
		m.dropTask(t)
	}
	a.close()
	if a.backend != nil {
		*a.backend = Backend{mesh: m, app: a, answer: a.backend.answer, ports: a.backend.ports}
	}
	for _, c := range m.conns.all {
		if c.refs >= 0 && !c.closed && c.host != nil && c.host.target == nil && c.host.cluster.proxy.app == a {
			m.resetLater(c)
		}
	}
}
