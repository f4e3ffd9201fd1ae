package sim

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/sim/des"
)

type header = model.Header

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// Load is one open stream of requests.
type Load struct {
	// Proxy is the id of the one that takes the requests.
	Proxy string
	// Message is what is sent.
	Message Message
	// Due gives the time of request n, counted from 0; false when there are no more. Times never go back.
	Due func(n uint64) (time.Duration, bool)
	// Timeout after which a request is given up; 0 is none.
	Timeout time.Duration
	// Fresh uses a connection of its own for each request.
	Fresh bool
	// HTTP2 is what it speaks, in place of HTTP/1.1.
	HTTP2 bool
	// TCP is a port of the gateway to which each request is a connection of its own, with the message's body; 0 is HTTP.
	TCP uint32
	// IDs names a request, for logs, traces and hashing: x-request-id and the trace's id in 32 hex digits. nil: nobody asks.
	IDs func(n uint64) (request, trace string)
	// Done takes what came of a request. nil: nobody asks.
	Done func(Visit)

	number  uint32
	entry   *proxy
	message messageID
	next    uint64
	at      time.Duration
	idle    []uint32 // ports of connections that are open and free
	lag     *rand.Rand
}

// Visit is what came of one request of a load.
type Visit struct {
	// Number is from 0; Due when it was sent, End when the answer was read or it was given up.
	Number   uint64
	Due, End time.Duration
	// Answer is TimedOut, Broken (also: refused), or an answer.
	Answer AnswerID
	// SetCookie is the header that a proxy added to the answer; empty without.
	SetCookie string
	// IDs of the request.
	Request, Trace string
}

// visit is a request of a load under way.
type visit struct {
	slot
	load           *Load
	n              uint64
	due            time.Duration
	port           uint32
	stream         *stream
	timer          des.Timer
	request, trace string
}

// AddLoad begins a load. Its first request is not due before Now. The proxy must be there.
func (m *Mesh) AddLoad(l *Load) {
	l.number = uint32(len(m.loads))
	l.entry = m.byID[l.Proxy]
	if l.entry == nil {
		panic("sim: a load for a proxy that is not there: " + l.Proxy)
	}
	x := l.Message
	x.Headers = sortHeaders(x.Headers)
	l.message = m.messages.of(x)
	l.lag = m.random("lag/" + strconv.Itoa(len(m.loads)))
	m.loads = append(m.loads, l)
	m.arm(l)
}

// arm waits for a load's next request.
func (m *Mesh) arm(l *Load) {
	at, ok := l.Due(l.next)
	if ok {
		l.at = at
		m.kernel.At(max(at, m.Now()), evDue, l.number)
	}
}

// due sends a request.
func (m *Mesh) due(l *Load) {
	v := take(&m.visits)
	*v = visit{slot: slot{id: v.id}, load: l, n: l.next, due: l.at}
	m.active++
	if n := len(l.idle); n > 0 && !l.Fresh && l.TCP == 0 {
		v.port = l.idle[n-1]
		l.idle = l.idle[:n-1]
	} else {
		m.ports++
		v.port = 32768 + m.ports%28232
	}
	s := m.newStream(l.entry, v, l.message)
	s.visit, s.remotePort, s.http2 = v, v.port, l.HTTP2
	if l.TCP != 0 {
		s.tcp, s.port = true, l.TCP
	}
	v.stream = s
	s.refs++
	m.compute(m.times.Lag.Draw(l.lag), m.times.Client, evStart, s.id)
	if l.Timeout > 0 {
		v.timer = m.kernel.Timer(m.Now()+l.Timeout, evVisitTimeout, v.id)
	}
	l.next++
	m.arm(l)
}

func (v *visit) ids() {
	if v.trace == "" && v.load.IDs != nil {
		v.request, v.trace = v.load.IDs(v.n)
	}
}

func (v *visit) requestID() string {
	v.ids()
	return v.request
}

// visitAnswered is when an answer has been read.
func (m *Mesh) visitAnswered(v *visit, s *stream) {
	id := s.answer
	if s.broken {
		id = Broken
	} else if !v.load.Fresh && v.load.TCP == 0 {
		v.load.idle = append(v.load.idle, v.port)
	}
	cookie := ""
	if s.cookie != nil {
		cookie = s.setCookie()
	}
	if v.timer != (des.Timer{}) {
		m.kernel.Cancel(v.timer)
	}
	m.visitOver(v, id, cookie)
}

// visitTimeout is when a load gives a request up.
func (m *Mesh) visitTimeout(v *visit) {
	m.leave(v.stream, m.times.Client)
	m.visitOver(v, TimedOut, "")
}

func (m *Mesh) visitOver(v *visit, id AnswerID, cookie string) {
	v.over, v.stream = true, nil
	m.active--
	if v.load.Done != nil {
		v.ids()
		v.load.Done(Visit{Number: v.n, Due: v.due, End: m.Now(), Answer: id, SetCookie: cookie, Request: v.request, Trace: v.trace})
	}
	let(&m.visits, v)
}
