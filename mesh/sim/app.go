package sim

import (
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/squallmesh/squall/mesh/sim/des"
	"github.com/squallmesh/squall/mesh/sim/dist"
	"github.com/squallmesh/squall/mesh/sim/queue"
)

// Program is what an app does with a request, as a pure function: the same request and the same answers always lead to the same step.
type Program interface {
	// Step says what comes after the calls so far have had these answers, in their order. TimedOut and Broken are among them.
	Step(request *Message, answers []AnswerID) Step
}

// Step is either a call or, with Call nil, the answer.
type Step struct {
	Call *Call
	// Answer to the request, or nil to break the connection.
	Answer *Answer
}

// Call is a request that an app makes through its own sidecar.
type Call struct {
	Message Message
	// Timeout after which the app waits no longer; 0 is none.
	Timeout time.Duration
}

// App is what runs behind a sidecar; exactly one of Program, Status, Backend and Echo is set.
type App struct {
	Program Program // two apps with equal ones share what it said
	// Status answers each request with a status, which it may draw.
	Status  func() int
	Backend *BackendOptions
	// Echo is a line echo over TCP: what it puts before each line.
	Echo *string
	// Work is the time at work before the first step; nil takes the mesh's Times.Work. A backend's is in its scripts.
	Work *dist.Distribution
	// Servers is how many requests are at work at a time, in order of arrival; 0 any number. Room is how many may wait; others are
	// answered 503. A server is free again when the work is done: calls hold none.
	Servers, Room int
}

// app is an App behind a proxy. What every request needs comes first: in a large mesh each line of memory has to be fetched.
type app struct {
	mesh    *Mesh
	proxy   *proxy
	down    bool
	paused  bool
	backend *Backend
	station *queue.FCFS
	random  rand.Rand
	source  rand.PCG
	opts    App
	frozen  []frozen // what happened while it was paused
	steps   *steps
}

type frozen struct {
	kind des.Kind
	who  uint32
}

// steps are what is known of a program, by the request.
type steps = few[messageID, *node]

// node is a place in what a program does: all that follows from one request and the answers so far.
type node struct {
	call    messageID
	timeout time.Duration
	calls   bool
	answer  AnswerID
	next    few[AnswerID, *node]
}

// task is one request at an app.
type task struct {
	slot
	app *app
	// stream is the sidecar's, which waits for the answer.
	stream  *stream
	message messageID
	attempt uint32
	arrived bool
	// left: nobody waits any more.
	left, held, hangs, waits bool
	broken                   bool
	served                   bool // one of the app's servers is at it
	node                     *node
	given                    []AnswerID
	call                     *stream
	timer                    des.Timer
	outcome                  *Outcome
	answer                   AnswerID
}

// SetApp says what runs behind a workload's sidecar, by the workload's namespace/name.
func (m *Mesh) SetApp(workload string, o App) {
	a := m.appOf(workload)
	a.opts = o
	a.station, a.backend, a.steps = nil, nil, m.stepsOf(o.Program)
	if o.Servers > 0 {
		a.station = queue.NewFCFS(o.Servers, o.Room)
	}
	if o.Backend != nil {
		a.backend = &Backend{mesh: m, app: a, answer: o.Backend.Answer, ports: o.Backend.Ports}
	}
}

// stepsOf gives what is known of a program: apps that run the same one learn together.
func (m *Mesh) stepsOf(p Program) *steps {
	if p == nil || !reflect.TypeOf(p).Comparable() {
		return &steps{}
	}
	s := m.programs[p]
	if s == nil {
		s = &steps{}
		m.programs[p] = s
	}
	return s
}

func (m *Mesh) appOf(workload string) *app {
	a := m.apps[workload]
	if a == nil {
		a = &app{mesh: m, steps: &steps{}, source: des.Source(m.opts.Seed, "work/"+workload)}
		a.random = *rand.New(&a.source) //nolint:gosec // repeatable on purpose
		m.apps[workload] = a
	}
	return a
}

// sendToApp hands a stream's attempt to its own app.
func (m *Mesh) sendToApp(s *stream) {
	t := take(&m.tasks)
	*t = task{slot: slot{id: t.id}, app: s.proxy.app, stream: s, message: s.sent, attempt: s.attempt, given: t.given[:0]}
	s.work = t
	s.refs++
	t.refs++
	m.compute(0, m.times.Proxy+m.times.Local, evTask, t.id)
}

// taskArrives is when a request has reached its app.
func (m *Mesh) taskArrives(t *task) {
	t.refs--
	a := t.app
	switch {
	case t.over:
		let(&m.tasks, t)
	case a.down:
		t.arrived = true
		m.dropTask(t)
	case a.paused:
		t.refs++
		a.frozen = append(a.frozen, frozen{evTask, t.id})
	default:
		t.arrived = true
		a.begin(t)
	}
}

func (a *app) begin(t *task) {
	switch {
	case a.backend != nil:
		a.backend.arrive(t)
	case a.opts.Echo != nil:
		a.mesh.reply(t, a.mesh.answers.of(Answer{Status: 200, Body: *a.opts.Echo + " " + a.mesh.message(t.message).Body}))
	case a.station == nil:
		a.work(t)
	default:
		switch a.station.Arrive(t.id) {
		case queue.Starts:
			a.work(t)
		case queue.Waits:
			t.waits = true
			t.refs++
		case queue.Refused:
			a.mesh.reply(t, a.mesh.localAnswer(503, "no room"))
		}
	}
}

// work takes the time of a request's work.
func (a *app) work(t *task) {
	t.served = a.station != nil
	d := &a.mesh.times.Work
	if a.opts.Work != nil {
		d = a.opts.Work
	}
	t.refs++
	a.mesh.compute(0, d.Draw(&a.random), evWorked, t.id)
}

// worked is when a request's work is done, or a backend's delay is over.
func (m *Mesh) worked(t *task) {
	t.refs--
	a := t.app
	if a.paused && !t.over {
		t.refs++
		a.frozen = append(a.frozen, frozen{evWorked, t.id})
		return
	}
	if t.served {
		t.served = false
		if id, ok := a.station.Done(); ok {
			next := m.tasks.of(id)
			next.waits = false
			next.refs--
			a.work(next) // also where its caller has left: it was accepted
		}
	}
	switch {
	case t.over:
		let(&m.tasks, t)
	case a.backend != nil:
		a.backend.done(t)
	case a.opts.Status != nil:
		m.reply(t, m.localAnswer(a.opts.Status(), "x"))
	default:
		m.step(t, nil)
	}
}

// step goes on with a program.
func (m *Mesh) step(t *task, from *node) {
	a := t.app
	var n *node
	if from == nil {
		n = a.steps.get(t.message)
	} else {
		n = from.next.get(t.given[len(t.given)-1])
	}
	if n == nil {
		n = a.ask(t)
		if from == nil {
			a.steps.put(t.message, n)
		} else {
			from.next.put(t.given[len(t.given)-1], n)
		}
	}
	t.node = n
	if !n.calls {
		if n.answer == Broken {
			m.dropTask(t)
			return
		}
		m.reply(t, n.answer)
		return
	}
	s := m.newStream(a.proxy, t.stream.root, n.call)
	m.ports++
	s.task, s.parentSpan, s.remotePort = t, t.stream.span, 32768+m.ports%28232
	t.refs++
	t.call = s
	s.refs++
	m.compute(0, m.times.Local, evStart, s.id)
	if n.timeout > 0 {
		t.timer = m.kernel.Timer(m.Now()+n.timeout, evCallTimeout, t.id)
	}
}

// ask has the program say what it does.
func (a *app) ask(t *task) *node {
	m := a.mesh
	if a.opts.Program == nil {
		return &node{answer: m.answers.of(Answer{Status: 404})}
	}
	step := a.opts.Program.Step(m.message(t.message), t.given)
	switch {
	case step.Call != nil:
		return &node{calls: true, call: m.messages.of(step.Call.Message), timeout: step.Call.Timeout}
	case step.Answer != nil:
		return &node{answer: m.answers.of(*step.Answer)}
	}
	return &node{answer: Broken}
}

// callAnswered is when a call has come to its end.
func (m *Mesh) callAnswered(t *task, id AnswerID) {
	if t.timer != (des.Timer{}) {
		m.kernel.Cancel(t.timer)
		t.timer = des.Timer{}
	}
	t.given = append(t.given, id)
	m.step(t, t.node)
}

// callTimeout is when an app waits no longer for a call.
func (m *Mesh) callTimeout(t *task) {
	t.timer = des.Timer{}
	m.leave(t.call, m.times.Local)
	t.call = nil
	m.callAnswered(t, TimedOut)
}

// reply answers a request.
func (m *Mesh) reply(t *task, id AnswerID) {
	t.answer = id
	t.over = true
	t.refs++
	m.compute(0, m.times.Local, evTaskEnd, t.id)
}

// dropTask ends a request without an answer: its connection breaks, and its own calls are left.
func (m *Mesh) dropTask(t *task) {
	if t.timer != (des.Timer{}) {
		m.kernel.Cancel(t.timer)
		t.timer = des.Timer{}
	}
	if t.call != nil {
		m.leave(t.call, m.times.Local)
		t.call = nil
	}
	t.broken = true
	m.reply(t, Broken)
}

// taskEnded is when an app's answer has reached its sidecar.
func (m *Mesh) taskEnded(t *task) {
	t.refs--
	if s := t.stream; s.work == t && !s.over {
		s.work = nil
		if t.broken {
			m.upstreamReset(s)
		} else {
			m.answered(s, t.answer)
		}
	}
	m.forgetTask(t)
}

func (m *Mesh) forgetTask(t *task) {
	t.over = true
	s := t.stream
	s.refs--
	let(&m.streams, s)
	let(&m.tasks, t)
}

// taskLeft is when an app learns that its caller has left: a backend stops, a program goes on as if nothing were.
func (m *Mesh) taskLeft(t *task) {
	t.refs--
	if t.over {
		let(&m.tasks, t)
		return
	}
	t.left = true
	switch {
	case t.app.backend != nil:
		t.app.backend.left(t)
		m.forgetTask(t)
	case !t.arrived: // it was on its way
		m.forgetTask(t)
	default:
		let(&m.tasks, t)
	}
}

// thaw lets a paused app go on, with all that has come meanwhile.
func (m *Mesh) thaw(a *app) {
	a.paused = false
	list := a.frozen
	a.frozen = nil
	for _, f := range list {
		m.kernel.After(0, f.kind, f.who)
	}
}
