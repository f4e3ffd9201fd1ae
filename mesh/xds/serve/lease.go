package serve

import (
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// Refresh renews the time to live of runtime layers on all proxies, without sending their content.
func (s *Server) Refresh(slots ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, len(slots))
	for i, slot := range slots {
		names[i] = translate.LeaseLayer(slot)
	}
	for _, id := range sortedKeys(s.proxies) {
		p := s.proxies[id]
		t := &p.types[translate.Runtime]
		if !p.stream.open() || !t.subscribed {
			continue
		}
		t.refresh = names
		p.advance(s.opts.Now)
	}
}
