package sim

import (
	"slices"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
)

// fault is what one fault filter of a route does to a message: delay, then abort, drawn by themselves.
type fault struct {
	delay                      time.Duration
	delayPercent, abortPercent float64
	abort                      AnswerID
}

// faults are those of the rule and of the scenario that hold for a message.
func (p *proxy) faults(rule *model.Fault, leased []*model.LeasedFault, x *Message) []fault {
	var out []fault
	add := func(delay *model.Delay, abort *model.Abort) {
		f := fault{}
		if delay != nil {
			f.delay, f.delayPercent = delay.Fixed, delay.Percent
		}
		if abort != nil {
			f.abortPercent = abort.Percent
			f.abort = p.mesh.aborts(abort, x)
		}
		out = append(out, f)
	}
	if rule != nil {
		add(rule.Delay, rule.Abort)
	}
	for _, f := range leased {
		if !f.Armed || !model.Labels(p.workload.Labels, f.From) {
			continue
		}
		m, err := match.NewHeaders(f.Headers)
		if err != nil {
			panic(err) // its headers are compared exactly
		}
		if m.Matches(&x.Request) {
			add(f.Delay, f.Abort)
		}
	}
	return slices.Clip(out)
}

// hits draws whether so many per cent are hit, by the million as Envoy does.
func (p *proxy) hits(percent float64) bool {
	switch {
	case percent <= 0:
		return false
	case percent >= 100:
		return true
	}
	return p.draws.fault().Uint32N(1_000_000) < uint32(percent*10_000+.5)
}

// injectFaults goes through the fault filters from where the stream is, and then on.
func (m *Mesh) injectFaults(s *stream) {
	list := s.resolved.faults
	for int(s.filter) < len(list) {
		f := &list[s.filter]
		if !s.filterDelayed && s.proxy.hits(f.delayPercent) {
			s.filterDelayed = true
			s.flags |= flagDI
			s.http().delays++
			s.refs++
			m.kernel.After(f.delay+m.times.Timer, evDelayed, s.id)
			return
		}
		s.filter++
		s.filterDelayed = false
		if s.proxy.hits(f.abortPercent) {
			s.flags |= flagFI
			s.http().aborts++
			m.localReply(s, f.abort, "fault_filter_abort")
			return
		}
	}
	m.route(s)
}

// delayed goes on after a delay.
func (m *Mesh) delayed(s *stream) {
	s.refs--
	if s.over {
		let(&m.streams, s)
		return
	}
	m.injectFaults(s)
}
