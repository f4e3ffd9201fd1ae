package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/squallmesh/squall/mesh/relay"
)

// relays are the pod's own, by where they listen.
type relays struct {
	mu  sync.Mutex
	all map[string]*relay.Relay
	// broken are the ends of the leases on faults, by their ids.
	broken map[string]time.Time
}

// open makes a relay, unless it is there.
func (r *relays) open(ctx context.Context, s Relay) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[s.Listen] != nil {
		return nil
	}
	one, err := relay.Listen(ctx, relay.Options{Listen: s.Listen, Upstream: s.Upstream})
	if err != nil {
		return err
	}
	r.all[s.Listen] = one
	return nil
}

func (r *relays) set(ctx context.Context, listen, id string, f relay.Fault) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.all[listen]
	if one == nil {
		return fmt.Errorf("there is no relay at %s", listen)
	}
	if err := one.Set(ctx, id, f); err != nil {
		return err
	}
	r.broken[id] = time.Now().Add(LeaseTime)
	return nil
}

func (r *relays) clear(ctx context.Context, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		one.Clear(ctx, id)
	}
	delete(r.broken, id)
}

func (r *relays) met(listen string) Met {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.all[listen]; one != nil {
		return Met{Passed: one.Passed(), Resets: one.Resets()}
	}
	return Met{}
}

// renew keeps all faults for another LeaseTime.
func (r *relays) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.broken {
		r.broken[id] = time.Now().Add(LeaseTime)
	}
}

// expire clears the faults whose leases have ended.
func (r *relays) expire(ctx context.Context) {
	r.mu.Lock()
	var over []string
	for id, end := range r.broken {
		if time.Now().After(end) {
			over = append(over, id)
		}
	}
	r.mu.Unlock()
	for _, id := range over {
		r.clear(ctx, id)
	}
}

func (r *relays) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for listen, one := range r.all {
		_ = one.Close()
		delete(r.all, listen)
	}
	clear(r.broken)
}
