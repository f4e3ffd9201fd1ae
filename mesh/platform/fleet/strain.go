package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/squallmesh/squall/mesh/agent"
	"github.com/squallmesh/squall/mesh/platform"
)

// Strained are the times since one in which a workload's app or proxy had no processor, as their agents saw it. The clocks are those of one machine.
func (l *Lab) Strained(ctx context.Context, since time.Time) []platform.Strain {
	var mu sync.Mutex
	var out []platform.Strain
	var asking sync.WaitGroup
	for _, m := range l.live() {
		for _, a := range []*agent.Client{m.proxy, m.app} {
			if a == nil {
				continue
			}
			asking.Go(func() {
				list, err := a.Strains(ctx, since)
				if err != nil {
					return // who is out of reach is noticed by who watches it
				}
				mu.Lock()
				defer mu.Unlock()
				for _, s := range list {
					out = append(out, platform.Strain{Who: m.Name, From: s.From, To: s.To, Waited: s.Waited})
				}
			})
		}
	}
	asking.Wait()
	return out
}
