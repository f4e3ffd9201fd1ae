package agent

import (
	"context"
	"sync"
	"time"

	"github.com/squallmesh/squall/mesh/proc"
)

// Strain is a short time in which a thread of the agent's process was ready to run, and had no processor for so long.
type Strain struct {
	From, To time.Time
	Waited   time.Duration
}

// The times of the watch: how often it looks, the shortest wait that it keeps, and how many it keeps.
const (
	strainEvery = 100 * time.Millisecond
	leastStrain = 20 * time.Millisecond
	maxStrains  = 1 << 14
)

// strains are those of the process that runs.
type strains struct {
	mu   sync.Mutex
	list []Strain
}

// watch looks at the process until the context ends.
func (s *strains) watch(ctx context.Context, pid func() int) error {
	tick := time.NewTicker(strainEvery)
	defer tick.Stop()
	begin := time.Now()
	var last map[int]time.Duration
	of, from := 0, begin
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		one, to := pid(), time.Now()
		now := proc.Waited(one)
		if one != of {
			last = nil
		}
		worst := Strain{From: from, To: to}
		for thread, waited := range now {
			before, ok := last[thread]
			// The kernel's account leaps now and then: nobody can have waited since before the begin.
			if ok && waited-before > worst.Waited && waited-before <= to.Sub(begin) {
				worst.Waited = waited - before
			}
		}
		last, of, from = now, one, to
		if worst.Waited < leastStrain {
			continue
		}
		s.mu.Lock()
		s.list = append(s.list[max(0, len(s.list)+1-maxStrains):], worst)
		s.mu.Unlock()
	}
}

// since gives those that ended later.
func (s *strains) since(t time.Time) []Strain {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Strain{}
	for _, one := range s.list {
		if one.To.After(t) {
			out = append(out, one)
		}
	}
	return out
}
