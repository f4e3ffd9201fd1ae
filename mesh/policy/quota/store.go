package quota

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"
)

// Hit is n requests against a limit's count for a key.
type Hit struct {
	Key   string
	Limit Limit
	N     uint32
}

// Store counts. Take decides on all hits of one request at once: it counts them if all are allowed, and none of them else. It is exact however many
// callers there are.
type Store interface {
	Take(ctx context.Context, hits []Hit) ([]Decision, error)
	// Forget drops the counts of keys that begin so.
	Forget(ctx context.Context, prefix string) error
}

// ErrFull says that there are too many keys to count another one.
var ErrFull = errors.New("too many different keys are being counted")

// Memory is a Store within this process.
type Memory struct {
	now  func() time.Time
	most int

	mu     sync.Mutex
	states map[string]State
	// sweepAt is at how many keys those that no longer matter are forgotten.
	sweepAt int
}

// MostKeys is how many keys Memory counts at once.
const MostKeys = 1 << 20

const firstSweep = 1024

// NewMemory gives an empty store. Now is the clock; nil takes time.Now. Most is the number of keys, 0 means MostKeys: a new one beyond it is an
// ErrFull, since to forget another would give that one its requests back.
func NewMemory(now func() time.Time, most int) *Memory {
	if now == nil {
		now = time.Now
	}
	if most == 0 {
		most = MostKeys
	}
	return &Memory{now: now, most: most, states: map[string]State{}, sweepAt: min(firstSweep, most)}
}

// Take is Store's.
func (m *Memory) Take(_ context.Context, hits []Hit) ([]Decision, error) { return m.Count(hits) }

// Count is Take of a store that nobody has to wait for.
func (m *Memory) Count(hits []Hit) ([]Decision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if err := m.room(now, hits); err != nil {
		return nil, err
	}
	next := make([]State, len(hits))
	out := make([]Decision, len(hits))
	allowed := true
	for i, h := range hits {
		next[i], out[i] = h.Limit.Take(m.states[h.Key], now, h.N)
		allowed = allowed && out[i].Allowed
	}
	if !allowed {
		return out, nil
	}
	for i, h := range hits {
		m.states[h.Key] = next[i]
	}
	return out, nil
}

// Forget is Store's.
func (m *Memory) Forget(_ context.Context, prefix string) error {
	m.Drop(prefix)
	return nil
}

// Drop is Forget of a store that nobody has to wait for.
func (m *Memory) Drop(prefix string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.states, func(key string, _ State) bool { return strings.HasPrefix(key, prefix) })
}

// room makes sure that the hits' keys can be counted.
func (m *Memory) room(now time.Time, hits []Hit) error {
	fresh := 0
	for _, h := range hits {
		if _, known := m.states[h.Key]; !known {
			fresh++
		}
	}
	if fresh == 0 || len(m.states)+fresh <= m.sweepAt {
		return nil
	}
	for key, s := range m.states {
		if !now.Before(s.Until) {
			delete(m.states, key)
		}
	}
	if len(m.states)+fresh > m.most {
		return ErrFull
	}
	m.sweepAt = min(m.most, max(firstSweep, 2*(len(m.states)+fresh)))
	return nil
}
