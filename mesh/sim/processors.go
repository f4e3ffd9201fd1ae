package sim

import (
	"time"

	"github.com/squallmesh/squall/mesh/sim/des"
	"github.com/squallmesh/squall/mesh/sim/queue"
)

// processors are those of the machine on which all proxies, apps and loads are: who computes at the same time shares them.
type processors struct {
	station *queue.Sharing
	// demand is Times.Demand.
	demand float64
	next   des.Timer
	jobs   []job
	free   []uint32
}

// job is something that computes, and what happens when it is done.
type job struct {
	// need is for how long it computes alone, rest how long it takes besides.
	need, rest time.Duration
	kind       des.Kind
	who        uint32
	// idle: nobody waits for its end.
	idle bool
}

func newProcessors(t Times) *processors {
	if t.Processors == 0 {
		return nil
	}
	demand := t.Demand
	if demand == 0 {
		demand = 1
	}
	return &processors{station: queue.NewSharing(t.Processors), demand: demand}
}

func (p *processors) add(j job) uint32 {
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		p.jobs[i] = j
		return i
	}
	p.jobs = append(p.jobs, j)
	return uint32(len(p.jobs) - 1)
}

// compute lets an event happen when a time has passed and something was computed that takes need on a processor of its own.
func (m *Mesh) compute(passes, need time.Duration, kind des.Kind, who uint32) {
	p := m.processors
	switch {
	case p == nil || need == 0:
		m.kernel.After(passes+need, kind, who)
	case passes > 0:
		m.kernel.After(passes, evCompute, p.add(job{need: need, kind: kind, who: who}))
	default:
		m.occupy(p.add(job{need: need, kind: kind, who: who}))
	}
}

// occupy begins a job. Where there is more to compute than what its requester waits for, the rest is done beside it; where there is less, the
// rest of the time passes afterwards.
func (m *Mesh) occupy(id uint32) {
	p := m.processors
	j := &p.jobs[id]
	demand := time.Duration(float64(j.need) * p.demand)
	if more := demand - j.need; more > 0 {
		beside := p.add(job{need: more, idle: true}) // which moves j
		p.station.Arrive(m.Now(), beside, more)
		j = &p.jobs[id]
	} else {
		j.need, j.rest = demand, -more
	}
	p.station.Arrive(m.Now(), id, j.need)
	m.nextDone()
}

// nextDone waits for the job that is done next.
func (m *Mesh) nextDone() {
	p := m.processors
	m.kernel.Cancel(p.next)
	if at, ok := p.station.Next(); ok {
		p.next = m.kernel.Timer(at, evComputed, 0)
	}
}

// computed is when a job is done.
func (m *Mesh) computed() {
	p := m.processors
	id := p.station.Done(m.Now())
	j := p.jobs[id]
	p.free = append(p.free, id)
	m.nextDone()
	if !j.idle {
		m.kernel.After(j.rest, j.kind, j.who)
	}
}
