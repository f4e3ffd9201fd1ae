package sim

import "slices"

// conn is a connection of a proxy to a host: HTTP/1, one request at a time.
type conn struct {
	slot
	host *host
	// stream is the one that it carries, or nil.
	stream *stream
	// next of those that are free at the host.
	next *conn
	// connecting until the host has accepted, closed when it is over.
	connecting, closed bool
	carried            uint32
	port               uint32 // our own end
}

// line is the streams that wait for a connection to a host, first come first served.
type line struct{ list []*stream }

func (l *line) push(s *stream) { l.list = append(l.list, s) }

func (l *line) pop() *stream {
	s := l.list[0]
	copy(l.list, l.list[1:])
	l.list = l.list[:len(l.list)-1]
	return s
}

func (l *line) remove(s *stream) {
	if i := slices.Index(l.list, s); i >= 0 {
		l.list = slices.Delete(l.list, i, i+1)
	}
}

// newStream sends an attempt to a host: on a connection that is free, else it waits for one, and a new one is opened if the limit of
// connections allows; a host without any may always have one. Source: Envoy's ConnPoolImplBase, HTTP/1.
func (h *host) newStream(s *stream) {
	c := h.cluster
	if x := h.idle; x != nil {
		h.idle, x.next = x.next, nil
		h.attach(x, s)
		return
	}
	if c.pending >= c.limits.pending {
		c.stats.inc(rqPendingOverflow)
		c.mesh.poolFailed(s, nil, overflow)
		return
	}
	c.pending++
	c.stats.inc(rqPendingTotal)
	s.waitsAt = h
	h.waiting.push(s)
	h.connect()
}

// connect opens connections as long as more streams wait than connections are on their way.
func (h *host) connect() {
	c := h.cluster
	for len(h.waiting.list) > int(h.connecting) {
		if c.connections >= c.limits.connections {
			c.stats.inc(cxOverflow)
			if h.open > 0 {
				return
			}
		}
		h.dial()
	}
}

func (h *host) dial() {
	c := h.cluster
	m := c.mesh
	x := take(&m.conns)
	m.ports++
	*x = conn{slot: slot{id: x.id}, host: h, connecting: true, port: 32768 + m.ports%28232}
	h.open++
	h.connecting++
	c.connections++
	c.stats.inc(cxTotal)
	kind := evConnected
	if h.closed() {
		kind = evRefused
	} else if h.target != nil {
		// Proxies begin with a TLS handshake: where connections are reset it fails.
		if l := m.link(c.proxy, h.target); l != nil && l.reset {
			l.meet()
			kind = evRefused
		}
	}
	x.refs++
	m.kernel.After(2*m.way(h), kind, x.id)
}

// closed tells whether nobody accepts connections at a host.
func (h *host) closed() bool {
	if h.target == nil {
		a := h.cluster.proxy.app
		return a == nil || a.down
	}
	return h.target.down
}

// connected is when the host has accepted.
func (m *Mesh) connected(x *conn) {
	x.refs--
	if x.closed {
		let(&m.conns, x)
		return
	}
	h := x.host
	x.connecting = false
	h.connecting--
	if h.closed() { // it went in the meantime
		h.failWaiting()
		m.closeConn(x)
		return
	}
	h.free(x)
}

// refused is when the host has not.
func (m *Mesh) refused(x *conn) {
	x.refs--
	h := x.host
	if !x.closed {
		h.cluster.stats.inc(cxConnectFail)
		h.connecting--
		x.connecting = false
		h.failWaiting() // first, or closing would open another
		m.closeConn(x)
		return
	}
	let(&m.conns, x)
}

// failWaiting fails all who wait for a host to which no connection could be made.
func (h *host) failWaiting() {
	for len(h.waiting.list) > 0 {
		s := h.waiting.pop()
		s.waitsAt = nil
		h.cluster.pending--
		h.cluster.stats.inc(rqPendingFailureEject)
		h.cluster.mesh.poolFailed(s, h, connectFailure)
	}
}

// free hands a connection to who waits longest, or keeps it.
func (h *host) free(x *conn) {
	x.stream = nil
	m := h.cluster.mesh
	if h.cluster.retired || h.gone || h.cluster.keepFor > 0 && x.carried >= h.cluster.keepFor {
		m.closeConn(x)
		return
	}
	if len(h.waiting.list) == 0 {
		h.idle, x.next = x, h.idle
		return
	}
	s := h.waiting.pop()
	s.waitsAt = nil
	h.cluster.pending--
	h.attach(x, s)
}

// attach sends a stream on a connection, unless the cluster has too many already.
func (h *host) attach(x *conn, s *stream) {
	c := h.cluster
	if c.requests >= c.limits.requests {
		c.stats.inc(rqActiveOverflow)
		h.free(x)
		c.mesh.poolFailed(s, h, overflow)
		return
	}
	c.requests++
	h.active++
	x.stream, s.conn = s, x
	x.carried++
	c.stats.inc(rqTotal)
	c.mesh.send(s, h)
}

// release ends what a stream has on its connection, which others may use, unless the answer was not read to its end.
func (s *stream) release(keep bool) {
	x := s.conn
	if x == nil {
		return
	}
	s.conn = nil
	h := x.host
	h.cluster.requests--
	h.active--
	x.stream = nil
	if x.closed {
		return
	}
	if keep {
		h.free(x)
		return
	}
	h.cluster.mesh.closeConn(x)
}

// closeConn ends a connection. Those who still wait may have another.
func (m *Mesh) closeConn(x *conn) {
	h := x.host
	x.closed, x.over = true, true
	if x.connecting {
		h.connecting--
	}
	h.open--
	h.cluster.connections--
	for at := &h.idle; *at != nil; at = &(*at).next {
		if *at == x {
			*at, x.next = x.next, nil
			break
		}
	}
	let(&m.conns, x)
	if len(h.waiting.list) > 0 {
		h.connect()
	}
}

// closeIdle ends the connections that nobody uses.
func (h *host) closeIdle() {
	for h.idle != nil {
		h.cluster.mesh.closeConn(h.idle)
	}
}

// connReset is when the other side has broken a connection.
func (m *Mesh) connReset(x *conn) {
	x.refs--
	if x.closed {
		let(&m.conns, x)
		return
	}
	s := x.stream
	if s == nil {
		if x.connecting {
			x.connecting = false
			x.host.connecting--
		}
		m.closeConn(x)
		return
	}
	m.upstreamReset(s, connectionTermination)
}

// resetLater has the other side break a connection, which its owner learns after d.
func (m *Mesh) resetLater(x *conn) {
	x.refs++
	m.kernel.After(m.way(x.host), evReset, x.id)
}
