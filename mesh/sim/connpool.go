package sim

import "slices"

// conn is a connection of a proxy to a host: HTTP/1, one request at a time, or HTTP/2.
type conn struct {
	slot
	host *host
	// stream is the one that it carries, or nil; many are those of HTTP/2.
	stream *stream
	many   []*stream
	// next of those that have room at the host.
	next *conn
	// connecting until the host has accepted, closed when it is over. last: it takes no more requests.
	connecting, closed, last bool
	// ready: it is among those that have room.
	ready         bool
	http2, mutual bool
	carried       uint32
	port          uint32 // our own end
}

func (x *conn) busy() bool { return x.stream != nil || len(x.many) > 0 }

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

// newStream sends an attempt to a host: on a connection that has room, else it waits for one, and a new one is opened if the limit of
// connections allows; a host without any may always have one. Source: Envoy's ConnPoolImplBase.
func (h *host) newStream(s *stream) {
	c := h.cluster
	if x := h.idle; x != nil {
		if !x.http2 || uint32(len(x.many))+1 >= c.streams || c.keepFor > 0 && x.carried+1 >= c.keepFor {
			h.idle, x.next, x.ready = x.next, nil, false
		}
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
	for uint64(len(h.waiting.list)) > uint64(h.connecting)*uint64(c.streams) {
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
	*x = conn{
		slot: slot{id: x.id}, host: h, many: x.many[:0], connecting: true, http2: c.http2, mutual: h.mutual(), port: 32768 + m.ports%28232,
	}
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
		switch {
		case !x.mutual:
		case !h.target.takes(true, h.port): // who answers a handshake in plain text
			kind = evRefused
		case kind == evConnected && !h.trusts():
			c.stats.inc(sslFailVerifySAN)
			kind = evRefused
		}
	}
	x.refs++
	m.compute(0, 2*m.way(h), kind, x.id)
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

// free hands a connection to those who wait longest, or keeps it.
func (h *host) free(x *conn) {
	c := h.cluster
	for len(h.waiting.list) > 0 && !h.done(x) && x.room() {
		s := h.waiting.pop()
		s.waitsAt = nil
		c.pending--
		h.attach(x, s)
	}
	switch {
	case x.closed || x.ready:
	case h.done(x):
		if !x.busy() {
			c.mesh.closeConn(x)
		}
	case x.room():
		x.ready = true
		h.idle, x.next = x, h.idle
	}
}

// done tells whether a connection takes no more requests.
func (h *host) done(x *conn) bool {
	c := h.cluster
	return x.last || c.retired || h.gone || c.keepFor > 0 && x.carried >= c.keepFor
}

// room tells whether a connection can carry one more request at this time.
func (x *conn) room() bool {
	if x.http2 {
		return uint32(len(x.many)) < x.host.cluster.streams
	}
	return x.stream == nil
}

// attach sends a stream on a connection, unless the cluster has too many already.
func (h *host) attach(x *conn, s *stream) {
	c := h.cluster
	if c.requests >= c.limits.requests {
		c.stats.inc(rqActiveOverflow)
		if !x.ready {
			h.free(x)
		}
		c.mesh.poolFailed(s, h, overflow)
		return
	}
	c.requests++
	h.active++
	s.conn = x
	if x.http2 {
		x.many = append(x.many, s)
	} else {
		x.stream = s
	}
	x.carried++
	c.stats.inc(rqTotal)
	c.mesh.send(s, h)
}

// release ends what a stream has on its connection, which others may use, unless the answer was not read to its end: HTTP/1 has no other way
// to leave it.
func (s *stream) release(keep bool) {
	x := s.conn
	if x == nil {
		return
	}
	s.conn = nil
	h := x.host
	h.cluster.requests--
	h.active--
	if x.http2 {
		x.many = slices.DeleteFunc(x.many, func(o *stream) bool { return o == s })
	} else {
		x.stream = nil
	}
	switch {
	case x.closed:
	case keep || x.http2:
		h.free(x)
	default:
		h.cluster.mesh.closeConn(x)
	}
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
	x.unready()
	let(&m.conns, x)
	if len(h.waiting.list) > 0 {
		h.connect()
	}
}

// closeIdle ends the connections that nobody uses.
func (h *host) closeIdle() {
	for h.idle != nil {
		h.idle.retire()
	}
}

// retire lets a connection take no more requests; one that has none ends.
func (x *conn) retire() {
	x.last = true
	x.unready()
	if !x.connecting && !x.busy() {
		x.host.cluster.mesh.closeConn(x)
	}
}

// unready takes a connection from those that have room.
func (x *conn) unready() {
	for at := &x.host.idle; *at != nil; at = &(*at).next {
		if *at == x {
			*at, x.next, x.ready = x.next, nil, false
			return
		}
	}
}

// connReset is when the other side has broken a connection.
func (m *Mesh) connReset(x *conn) {
	x.refs--
	if x.closed {
		let(&m.conns, x)
		return
	}
	if !x.busy() {
		if x.connecting {
			x.connecting = false
			x.host.connecting--
		}
		m.closeConn(x)
		return
	}
	if !x.http2 {
		m.upstreamReset(x.stream)
		return
	}
	x.last = true // what the end of the first streams leads to must not bring more
	x.unready()
	for len(x.many) > 0 {
		m.upstreamReset(x.many[0])
	}
}

// resetLater has the other side break a connection, which its owner learns after d.
func (m *Mesh) resetLater(x *conn) {
	x.refs++
	m.kernel.After(m.way(x.host), evReset, x.id)
}
