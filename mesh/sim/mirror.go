package sim

import "strings"

// mirror sends copies of a route's requests.
type mirror struct {
	cluster *cluster // nil: nobody is there
	percent float64
}

// copies sends a stream's mirrors, whose answers nobody reads.
func (m *Mesh) copies(s *stream) {
	for i := range s.resolved.mirrors {
		mr := &s.resolved.mirrors[i]
		if mr.cluster == nil || mr.percent < 100 && !(s.proxy.draws.mirror().Uint32N(1_000_000) < uint32(mr.percent*10_000+.5)) {
			continue
		}
		x := *m.message(s.sent)
		x.Authority = shadow(x.Authority)
		c := m.newStream(s.proxy, s.root, m.messages.of(x))
		c.mirror, c.begin = true, m.Now()
		c.sent, c.cluster = c.message, mr.cluster
		c.resolved = s.resolved
		m.attempt(c)
	}
}

// shadow is the authority of a copy: the host with -shadow, before the port.
func shadow(authority string) string {
	if i := strings.LastIndexByte(authority, ':'); i >= 0 {
		return authority[:i] + "-shadow" + authority[i:]
	}
	return authority + "-shadow"
}
