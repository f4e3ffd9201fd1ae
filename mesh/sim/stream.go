package sim

import (
	"slices"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/sim/des"
)

// failure is why an attempt ended without an answer.
type failure uint8

const (
	overflow failure = iota
	connectFailure
	connectionTermination
)

// responseFlags of Envoy, in the order in which they are written.
type responseFlags uint16

const (
	flagURX responseFlags = 1 << iota
	flagUH
	flagUT
	flagUF
	flagUC
	flagUO
	flagNR
	flagDI
	flagFI
	flagRL
	flagRLSE
	flagDC
	flagNC
)

// stream is one request at one proxy: Envoy's HTTP stream with its router.
type stream struct {
	slot
	proxy *proxy
	// root is the request of a load that caused it.
	root *visit
	// Who asked, and gets the answer: a load, an app, or another proxy. Of a mirror nobody.
	visit  *visit
	task   *task
	parent *stream
	// inbound: the sidecar takes it for its own app, at port.
	inbound bool
	mirror  bool
	tcp     bool
	port    uint32

	message, sent messageID
	original      string
	resolved      *resolved
	choice        *choice
	cluster       *cluster
	host          *host
	conn          *conn
	waitsAt       *host // in the line of its pool
	child         *stream
	work          *task

	begin, first            time.Duration
	routeTimer, tryTimer    des.Timer
	attempts, attempt       uint32 // made upstream; the caller's own count
	retriesLeft             uint32
	retrying, waiting       bool
	started, broken, hashed bool
	filterDelayed           bool
	mutual, secured         bool // the caller's connection is mTLS, and that of the last attempt
	http2                   bool // the caller's connection
	filter                  uint8
	flags                   responseFlags
	details                 string
	pause                   time.Duration
	tried                   []*host
	hash                    *uint64
	cookie                  *model.HashCookie
	answer                  AnswerID
	span, parentSpan        uint64
	remotePort              uint32
}

// newStream makes a stream of a proxy.
func (m *Mesh) newStream(p *proxy, root *visit, message messageID) *stream {
	s := take(&m.streams)
	*s = stream{slot: slot{id: s.id}, proxy: p, root: root, message: message, sent: message, tried: s.tried[:0]}
	root.refs++
	m.flowing++
	if m.opts.Span != nil || m.opts.Hop != nil {
		m.traces++
		s.span = m.traces
	}
	return s
}

// over ends a stream's life; its memory is used again when nothing names it.
func (m *Mesh) overAndOut(s *stream) {
	s.over = true
	m.flowing--
	m.dropRoot(s.root)
	if p := s.parent; p != nil {
		p.refs--
		let(&m.streams, p)
	}
	let(&m.streams, s)
}

func (m *Mesh) dropRoot(v *visit) {
	v.refs--
	let(&m.visits, v)
}

// start is when a request has arrived at its proxy.
func (m *Mesh) start(s *stream) {
	s.refs--
	p := s.proxy
	switch {
	case s.over:
		let(&m.streams, s)
		return
	case p.down, s.inbound && !p.takes(s.mutual, s.port):
		s.broken = true
		m.end(s, 0)
		return
	}
	s.started, s.begin = true, m.Now()
	if s.tcp {
		m.startTCP(s)
		return
	}
	s.http().total++
	if !m.admit(s) {
		return
	}
	s.resolved = p.routeOf(s)
	r := s.resolved
	if r != nil && len(r.choices) > 0 {
		s.choice = r.choose(p)
		s.cluster = s.choice.cluster
	}
	if !m.within(s) {
		return
	}
	if r == nil {
		s.flags |= flagNR
		m.localReply(s, m.answers.of(Answer{Status: 404}), "route_not_found")
		return
	}
	m.injectFaults(s)
}

// routeOf finds what a proxy does with a stream.
func (p *proxy) routeOf(s *stream) *resolved {
	if s.inbound {
		return p.inbound(s.port)
	}
	return p.resolve(s.message)
}

// route is the router: what follows the other filters.
func (m *Mesh) route(s *stream) {
	r := s.resolved
	switch {
	case r.preflight != NoAnswer:
		m.localReply(s, r.preflight, "cors_response")
		return
	case r.direct != NoAnswer:
		m.localReply(s, r.direct, "direct_response")
		return
	case s.cluster == nil:
		s.flags |= flagNC
		m.localReply(s, m.answers.of(Answer{Status: 503}), "cluster_not_found")
		return
	}
	if !s.inbound {
		s.sent, s.original = s.choice.message, s.choice.original
	}
	if r.retry != nil {
		s.retriesLeft = r.retry.number
	}
	if r.timeout > 0 {
		s.routeTimer = m.kernel.Timer(m.Now()+r.timeout, evRouteTimeout, s.id)
	}
	if len(r.mirrors) > 0 {
		m.copies(s)
	}
	m.attempt(s)
}

// policy says what is tried again.
func (s *stream) policy() *retryPolicy {
	if s.mirror || s.tcp {
		return nil
	}
	return s.resolved.retry
}

// attempt makes one attempt upstream.
func (m *Mesh) attempt(s *stream) {
	s.attempts++
	if !s.hashed && s.resolved.hash != nil {
		s.hashed, s.hash = true, s.hashOf(s.resolved.hash)
	}
	h := s.cluster.pick(s.hash)
	if h != nil && s.attempts > 1 && s.policy().avoid {
		for range repicks {
			if h == nil || !slices.Contains(s.tried, h) {
				break
			}
			h = s.cluster.pick(s.hash)
		}
	}
	s.host = nil
	if h == nil {
		s.flags |= flagUH
		s.cluster.stats.code(503)
		m.localReply(s, m.localError("no healthy upstream"), "no_healthy_upstream")
		return
	}
	h.newStream(s)
}

// send is when an attempt has a connection.
func (m *Mesh) send(s *stream, h *host) {
	s.host = h
	p := s.policy()
	if p != nil {
		if p.avoid {
			s.tried = append(s.tried, h)
		}
		if p.perTry > 0 {
			s.tryTimer = m.kernel.Timer(m.Now()+p.perTry, evTryTimeout, s.id)
		}
	}
	if h.target == nil {
		m.sendToApp(s)
		return
	}
	link := m.link(s.proxy, h.target)
	c := m.newStream(h.target, s.root, s.sent)
	c.inbound, c.parent, c.parentSpan, c.attempt, c.tcp = true, s, s.span, s.attempts, s.tcp
	c.port, c.mutual, c.http2 = h.port, s.conn.mutual, s.conn.http2
	s.secured = s.conn.mutual
	c.remotePort = s.conn.port
	s.refs++
	s.child = c
	c.refs++
	way := m.times.Proxy + m.times.Network
	if d := m.times.Hop; d != nil {
		way += d.Draw(s.proxy.draws.hop())
	}
	m.transmit(link, true, way, evStart, c.id)
}

// answered is when an upstream has answered the attempt of a stream.
func (m *Mesh) answered(s *stream, id AnswerID) {
	if s.tcp {
		s.release(false)
		m.finish(s, id)
		return
	}
	a := m.Answer(id)
	m.cancelTry(s)
	s.first = m.Now()
	s.cluster.sawStatus(s.host, a.Status)
	if s.policy() != nil || s.retrying {
		if s.decide(s.policy().byStatus(a)) == again {
			s.cluster.stats.discarded(a.Status)
			s.release(a.size() == 0) // the rest of the answer is not read, so its connection ends
			s.backOff()
			return
		}
	}
	s.release(true)
	s.cluster.stats.code(a.Status)
	s.details = "via_upstream"
	if s.choice != nil {
		if s.choice.ops != nil {
			id = m.changed(id, s.choice.ops)
		}
		if s.resolved.ops != nil {
			id = m.changed(id, s.resolved.ops)
		}
		if s.resolved.cors != nil {
			id = m.corsHeaders(id, s.resolved.cors)
		}
	}
	m.finish(s, id)
}

// upstreamReset is when an attempt's connection broke before its answer.
func (m *Mesh) upstreamReset(s *stream) {
	const why = connectionTermination
	m.cancelTry(s)
	s.cluster.sawStatus(s.host, 503)
	v := s.decide(s.policy().byReset(why))
	m.leaveChild(s)
	s.release(false)
	if v == again {
		s.backOff()
		return
	}
	m.failed(s, why)
}

// poolFailed is when an attempt got no connection, or the cluster is full.
func (m *Mesh) poolFailed(s *stream, h *host, why failure) {
	s.host = h
	would := false
	if why == connectFailure {
		s.cluster.sawStatus(h, 503)
		would = s.policy().byReset(why)
		if p := s.policy(); p != nil && p.avoid {
			s.tried = append(s.tried, h)
		}
	}
	if s.decide(would) == again {
		s.backOff()
		return
	}
	m.failed(s, why)
}

// The texts of Envoy's own answers.
const upstreamError = "upstream connect error or disconnect/reset before headers. "

// failed answers for an upstream that did not.
func (m *Mesh) failed(s *stream, why failure) {
	text := "reset reason: "
	if s.attempts > 1 {
		text = "retried and the latest reset reason: "
	}
	var headers []model.Header
	switch why {
	case overflow:
		s.flags |= flagUO
		text += "overflow"
		s.details = "upstream_reset_before_response_started{overflow}"
		headers = []model.Header{{Name: "x-envoy-overloaded", Value: "true"}}
	case connectFailure:
		s.flags |= flagUF
		text += "remote connection failure"
		s.details = "upstream_reset_before_response_started{remote_connection_failure}"
	case connectionTermination:
		s.flags |= flagUC
		text += "connection termination"
		s.details = "upstream_reset_before_response_started{connection_termination}"
	}
	s.cluster.stats.code(503)
	headers = append([]model.Header{{Name: "content-type", Value: "text/plain"}}, headers...)
	m.localReply(s, m.answers.of(Answer{Status: 503, Body: upstreamError + text, Headers: headers}), s.details)
}

// localErrors are answers of a proxy's own.
func (m *Mesh) localError(body string) AnswerID {
	return m.localAnswer(503, body)
}

func (m *Mesh) localAnswer(status int, body string) AnswerID {
	return m.answers.of(Answer{Status: status, Body: body, Headers: []model.Header{{Name: "content-type", Value: "text/plain"}}})
}

// routeTimeout is when the route's time for a request is over.
func (m *Mesh) routeTimeout(s *stream) {
	c := s.cluster
	c.stats.inc(rqTimeout)
	if s.conn != nil && (s.child != nil || s.work != nil) {
		c.sawStatus(s.host, 504)
	}
	m.dropUpstream(s)
	s.flags |= flagUT
	c.stats.code(504)
	m.localReply(s, m.localAnswer(504, "upstream request timeout"), "response_timeout")
}

// tryTimeout is when an attempt's own time is over.
func (m *Mesh) tryTimeout(s *stream) {
	s.tryTimer = des.Timer{}
	c := s.cluster
	c.stats.inc(rqPerTryTimeout)
	c.sawStatus(s.host, 504)
	v := s.decide(s.policy().byReset(connectionTermination))
	m.dropUpstream(s)
	if v == again {
		s.backOff()
		return
	}
	s.flags |= flagUT
	c.stats.code(504)
	m.localReply(s, m.localAnswer(504, "upstream request timeout"), "upstream_per_try_timeout")
}

func (m *Mesh) cancelTry(s *stream) {
	if s.tryTimer != (des.Timer{}) {
		m.kernel.Cancel(s.tryTimer)
		s.tryTimer = des.Timer{}
	}
}

// dropUpstream gives up what a stream has upstream.
func (m *Mesh) dropUpstream(s *stream) {
	m.cancelTry(s)
	if h := s.waitsAt; h != nil {
		h.waiting.remove(s)
		h.cluster.pending--
		h.cluster.stats.inc(rqCancelled)
		s.waitsAt = nil
	}
	m.leaveChild(s)
	s.release(false)
}

// leaveChild tells the other side of a stream's connection that it has left.
func (m *Mesh) leaveChild(s *stream) {
	if c := s.child; c != nil {
		s.child = nil
		c.refs++
		m.transmit(m.link(s.proxy, c.proxy), true, m.times.Network, evStreamLeave, c.id)
	}
	if t := s.work; t != nil {
		s.work = nil
		t.refs++
		m.kernel.After(m.times.Local, evTaskLeave, t.id)
	}
}

// localReply ends a stream with an answer of the proxy's own.
func (m *Mesh) localReply(s *stream, id AnswerID, details string) {
	s.details = details
	id = m.forGRPC(s, id)
	s.broken = s.tcp // there is nothing to answer with
	m.finish(s, id)
}

// finish ends a stream with an answer.
func (m *Mesh) finish(s *stream, id AnswerID) {
	s.answer = id
	m.settle(s)
	if !s.tcp {
		s.http().done(m.Answer(id).Status)
	}
	m.log(s, m.Now()+m.times.Proxy)
	m.end(s, m.times.Proxy)
}

// settle gives back what a stream holds.
func (m *Mesh) settle(s *stream) {
	if s.routeTimer != (des.Timer{}) {
		m.kernel.Cancel(s.routeTimer)
		s.routeTimer = des.Timer{}
	}
	if s.retrying {
		s.cluster.retries--
		s.retrying = false
	}
}

// end sends a stream's answer on to who asked, or that there is none.
func (m *Mesh) end(s *stream, after time.Duration) {
	s.over = true
	if s.visit == nil && s.task == nil && s.parent == nil {
		m.overAndOut(s)
		return
	}
	s.refs++
	switch {
	case s.parent != nil:
		m.transmit(m.link(s.parent.proxy, s.proxy), false, after+m.times.Network, evStreamEnd, s.id)
	case s.visit != nil:
		m.compute(0, after+m.times.Client, evStreamEnd, s.id)
	default:
		m.compute(0, after+m.times.Local, evStreamEnd, s.id)
	}
}

// streamEnded is when an answer has arrived at who asked.
func (m *Mesh) streamEnded(s *stream) bool {
	s.refs--
	told := false
	switch {
	case s.parent != nil:
		if p := s.parent; p.child == s && !p.over {
			p.child = nil
			if s.broken {
				m.upstreamReset(p)
			} else {
				m.answered(p, s.answer)
			}
		}
	case s.visit != nil:
		if v := s.visit; v.stream == s && !v.over {
			m.visitAnswered(v, s)
			told = true
		}
	case s.task != nil:
		if t := s.task; t.call == s && !t.over {
			t.call = nil
			id := s.answer
			if s.broken {
				id = Broken
			}
			m.callAnswered(t, id)
		}
	}
	m.forget(s)
	return told
}

// forget lets go of a stream whose end nobody waits for any more.
func (m *Mesh) forget(s *stream) {
	if t := s.task; t != nil {
		s.task = nil
		t.refs--
		let(&m.tasks, t)
	}
	if v := s.visit; v != nil {
		s.visit = nil
	}
	m.overAndOut(s)
}

// streamLeft is when a proxy learns that who asked has left.
func (m *Mesh) streamLeft(s *stream) {
	s.refs--
	if s.over {
		let(&m.streams, s)
		return
	}
	s.over = true
	if s.started {
		m.settle(s)
		m.dropUpstream(s)
		s.flags |= flagDC
		s.details = "downstream_remote_disconnect"
		s.answer = NoAnswer
		if !s.tcp {
			s.http().done(0)
		}
		m.log(s, m.Now())
	}
	m.forget(s)
}

// leave has who asked for a stream leave it.
func (m *Mesh) leave(s *stream, way time.Duration) {
	s.refs++
	m.kernel.After(way, evStreamLeave, s.id)
}
