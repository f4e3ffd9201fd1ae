package sim

// startTCP takes a connection on its way: to one of the destinations of its port, each time over a connection of its own.
func (m *Mesh) startTCP(s *stream) {
	p := s.proxy
	if !m.admitTCP(s) {
		m.localReply(s, NoAnswer, "")
		return
	}
	if s.inbound {
		s.resolved = p.inbound(s.port)
	} else {
		if _, known := p.tcp[s.port]; !known {
			p.tcp[s.port] = p.tcpRoute(s.port)
		}
		s.resolved = p.tcp[s.port]
	}
	if s.resolved == nil { // nobody listens
		s.broken = true
		m.end(s, 0)
		return
	}
	s.choice = s.resolved.choose(p)
	if s.cluster = s.choice.cluster; s.cluster == nil {
		s.flags |= flagNC
		m.localReply(s, m.localError(""), "")
		return
	}
	m.attempt(s)
}
