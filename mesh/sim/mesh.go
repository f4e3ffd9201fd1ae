package sim

import (
	"math/rand/v2"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/policy/quota"
	"github.com/squallmesh/squall/mesh/sim/des"
	"github.com/squallmesh/squall/mesh/telemetry"
)

// Options of a mesh. The zero value of each field is usable.
type Options struct {
	// Seed of everything that is drawn.
	Seed uint64
	// Budget is how many events a run may have; 0 is no limit.
	Budget uint64
	// Times of what is not told otherwise. nil takes DefaultTimes.
	Times *Times
	// Hop and Span take what proxies log and trace, in the order in which it ends; times count from Epoch. nil: nothing is made.
	Hop  func(*telemetry.Hop)
	Span func(*telemetry.Span)
	// Today is the day on which tokens of end users are judged: theirs is not virtual time. The zero time finds none expired.
	Today time.Time
	// Epoch is the time of day at the start of virtual time, for logs and traces.
	Epoch time.Time
}

// The kinds of events. Who is the id of what the name ends with.
const (
	evCall         des.Kind = iota
	evDue                   // a load
	evStart                 // a stream arrives at its proxy
	evDelayed               // a stream, after a fault's delay
	evRetry                 // a stream, after its back-off
	evRouteTimeout          // a stream
	evTryTimeout            // a stream
	evStreamEnd             // a stream's answer arrives at who asked
	evStreamLeave           // who asked for a stream has left
	evConnected             // a connection
	evRefused               // a connection
	evReset                 // a connection is reset by its peer
	evTask                  // a task arrives at its app
	evWorked                // a task's time at work is over
	evTaskEnd               // a task's answer arrives at its sidecar
	evTaskLeave             // the sidecar has left a task
	evCallTimeout           // a task's call took longer than the app waits
	evVisitTimeout          // a visit
	evSweep                 // a cluster looks at what it has ejected
	evEject                 // an ejection takes effect
	evMerge                 // a cluster's updates of hosts are merged
	evCompute               // a job begins to compute
	evComputed              // the next job is done
)

// Mesh is a mesh in virtual time: proxies that do what Envoy does under the rules of a snapshot, apps behind them, loads before them.
// It is for one goroutine, and the same calls give the same run.
type Mesh struct {
	opts   Options
	times  Times
	kernel *des.Kernel
	snap   model.Snapshot

	proxies []*proxy
	byID    map[string]*proxy
	byPlace map[string]*proxy // sidecars by the address that they accept at
	apps    map[string]*app   // by the workload's key
	// programs are what apps were seen to do.
	programs map[Program]*steps
	loads    []*Load

	messages messages
	answers  answers
	matchers map[*model.HTTPMatch]*match.Matcher
	domains  map[string]map[string]hostPort
	// began is since when a rule has been in force.
	began map[*model.DestinationRule]time.Duration
	// counting counts quotas by these limits for all proxies together; nil: nobody does.
	counting *quota.Memory
	limits   map[string]quota.Limit

	streams  pool[stream]
	tasks    pool[task]
	visits   pool[visit]
	conns    pool[conn]
	clusters []*cluster // those with something to sweep or merge, by their number
	calls    []func()
	spare    []uint32

	// processors are nil where nobody waits for one.
	processors *processors

	// active is how many visits are under way, flowing how many streams.
	active, flowing int
	breaks          []*pairFault
	traces          uint64
	ports           uint32

	// Ejected is told when an endpoint is thrown out or comes back. nil: nobody asks.
	Ejected func(Ejection)
}

// New is a mesh without anything in it, at time 0.
func New(o Options) *Mesh {
	m := &Mesh{
		opts: o, times: DefaultTimes(), kernel: des.New(o.Budget), snap: model.Snapshot{Mesh: model.DefaultMesh()},
		byID: map[string]*proxy{}, byPlace: map[string]*proxy{}, apps: map[string]*app{}, programs: map[Program]*steps{},
		matchers: map[*model.HTTPMatch]*match.Matcher{},
	}
	if o.Times != nil {
		m.times = *o.Times
	}
	m.processors = newProcessors(m.times)
	m.CountQuotas(true)
	m.messages.init()
	m.answers.init()
	return m
}

// Now is the virtual time, from 0.
func (m *Mesh) Now() time.Duration { return m.kernel.Now() }

// Events is how many events have happened.
func (m *Mesh) Events() uint64 { return m.kernel.Fired() }

// Visits is how many requests of loads are under way.
func (m *Mesh) Visits() int { return m.active }

// Streams is how many requests proxies have under way, also those whose callers have left.
func (m *Mesh) Streams() int { return m.flowing }

// Busy is how many requests a proxy has under way.
func (m *Mesh) Busy(id string) (n int) {
	for _, s := range m.streams.all {
		if s.refs >= 0 && !s.over && s.proxy.id == id {
			n++
		}
	}
	return n
}

// At calls f at a time that is not before Now.
func (m *Mesh) At(t time.Duration, f func()) {
	var i uint32
	if n := len(m.spare); n > 0 {
		i = m.spare[n-1]
		m.spare = m.spare[:n-1]
		m.calls[i] = f
	} else {
		i = uint32(len(m.calls))
		m.calls = append(m.calls, f)
	}
	m.kernel.At(max(t, m.Now()), evCall, i)
}

// Run lets happen what is due up to and including a time. done is asked after each call of At's and each answer to a load; true ends Run
// early. nil never does. The error wraps des.ErrBudget.
func (m *Mesh) Run(until time.Duration, done func() bool) error {
	for {
		e, ok := m.kernel.Next(until)
		if !ok {
			return m.kernel.Err()
		}
		if m.happen(e) && done != nil && done() {
			return nil
		}
	}
}

// happen is the model: what each kind of event does. It reports what may interest who waits.
func (m *Mesh) happen(e des.Event) bool {
	switch e.Kind {
	case evCall:
		f := m.calls[e.Who]
		m.calls[e.Who] = nil
		m.spare = append(m.spare, e.Who)
		f()
		return true
	case evDue:
		m.due(m.loads[e.Who])
	case evStart:
		m.start(m.streams.of(e.Who))
	case evDelayed:
		m.delayed(m.streams.of(e.Who))
	case evRetry:
		m.retryNow(m.streams.of(e.Who))
	case evRouteTimeout:
		m.routeTimeout(m.streams.of(e.Who))
	case evTryTimeout:
		m.tryTimeout(m.streams.of(e.Who))
	case evStreamEnd:
		return m.streamEnded(m.streams.of(e.Who))
	case evStreamLeave:
		m.streamLeft(m.streams.of(e.Who))
	case evConnected:
		m.connected(m.conns.of(e.Who))
	case evRefused:
		m.refused(m.conns.of(e.Who))
	case evReset:
		m.connReset(m.conns.of(e.Who))
	case evTask:
		m.taskArrives(m.tasks.of(e.Who))
	case evWorked:
		m.worked(m.tasks.of(e.Who))
	case evTaskEnd:
		m.taskEnded(m.tasks.of(e.Who))
	case evTaskLeave:
		m.taskLeft(m.tasks.of(e.Who))
	case evCallTimeout:
		m.callTimeout(m.tasks.of(e.Who))
	case evVisitTimeout:
		m.visitTimeout(m.visits.of(e.Who))
		return true
	case evSweep:
		m.clusters[e.Who].sweep()
	case evEject:
		m.clusters[e.Who].ejectQueued()
	case evMerge:
		m.clusters[e.Who].mergeNow()
	case evCompute:
		m.occupy(e.Who)
	case evComputed:
		m.computed()
	default:
		panic("sim: unknown event")
	}
	return false
}

// random is a stream of random numbers of a name.
func (m *Mesh) random(name string) *rand.Rand { return des.Stream(m.opts.Seed, name) }
