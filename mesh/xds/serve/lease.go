package serve

import (
	"errors"
	"fmt"
	"slices"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// ErrNoLease is why Apply does not arm a fault.
var ErrNoLease = errors.New("speaks the state-of-the-world variant of discovery, in which Envoy has no safe time to live for " +
	"runtime layers, so the fault could outlive its run; use api_type: DELTA_GRPC")

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
		if p.stream.delta == nil || !t.subscribed {
			continue
		}
		for _, name := range names {
			if !slices.Contains(t.refresh, name) {
				t.refresh = append(t.refresh, name)
			}
		}
		p.advance(s.opts.Now)
	}
}

// leasable says why the faults of a snapshot cannot be armed, if so. The caller holds s.mu.
func (s *Server) leasable(snap *model.Snapshot) error {
	if snap == nil {
		return nil
	}
	for host, faults := range snap.Faults.All() {
		for _, f := range faults.List {
			if !f.Armed {
				continue
			}
			for _, id := range sortedKeys(s.proxies) {
				if s.proxies[id].stream.full != nil {
					return fmt.Errorf("the fault %s of %s cannot be armed: the proxy %s %w", f.ID, host, id, ErrNoLease)
				}
			}
		}
	}
	return nil
}
