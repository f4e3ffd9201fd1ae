package serve

import (
	"context"
	"time"
)

// Envoy acknowledges a listener before its workers accept with it. This counter grows by one per worker and listener
// once they do, for new listeners and for updates in place alike (measured on 1.40.0).
const listenerCounter = "listener_manager.listener_create_success"

// listenerPoll is how often the counter is read while a listener is awaited. Reading takes about half a millisecond.
const listenerPoll = 300 * time.Microsecond

// listenerWatch is the value that a proxy's counter must reach.
type listenerWatch struct {
	concernedProxy
	goal uint64
	// blind is why the counter cannot be read; the acknowledgement must do then.
	blind error
}

// watchListeners reads the counters before a change of listeners is sent.
func (s *Server) watchListeners(ctx context.Context, concerned []concernedProxy) []listenerWatch {
	var out []listenerWatch
	if s.opts.Admin == nil {
		return nil
	}
	for _, c := range concerned {
		if c.listeners == 0 {
			continue
		}
		w := listenerWatch{concernedProxy: c}
		before, err := s.opts.Admin.Stat(ctx, c.node, listenerCounter)
		if err == nil {
			var workers uint64
			if workers, err = s.workersOf(ctx, c); err == nil {
				w.goal = before + workers*c.listeners
			}
		}
		w.blind = err
		out = append(out, w)
	}
	return out
}

// workersOf asks once per stream: the number stays the same, and asking takes milliseconds.
func (s *Server) workersOf(ctx context.Context, c concernedProxy) (uint64, error) {
	if c.workers != 0 {
		return c.workers, nil
	}
	workers, err := s.opts.Admin.Workers(ctx, c.node)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.proxies[c.id]; p != nil && p.node == c.node {
		p.workers = workers
	}
	return workers, nil
}

// awaitListeners waits until the workers of each proxy accept with the new listeners.
func (s *Server) awaitListeners(ctx context.Context, start time.Time, watched []listenerWatch, report *Report) error {
	late := &LateError{Missing: map[string]Stage{}}
	for _, w := range watched {
		err := w.blind
		for err == nil {
			var now uint64
			if now, err = s.opts.Admin.Stat(ctx, w.node, listenerCounter); err == nil && now >= w.goal {
				break
			}
			select {
			case <-ctx.Done():
				err = ctx.Err()
			case <-time.After(listenerPoll):
			}
		}
		if err != nil {
			late.Missing[w.id] = Active
			continue
		}
		took := s.opts.Now().Sub(start)
		for i := range report.Proxies {
			if report.Proxies[i].Proxy == w.id {
				report.Proxies[i].Active, report.Proxies[i].Effective = took, took
			}
		}
	}
	if len(late.Missing) > 0 {
		return late
	}
	return nil
}

// Status is what the server knows of one proxy.
type Status struct {
	Proxy     string `json:"proxy"`
	Connected bool   `json:"connected"`
	// Live is the newest version that the proxy acknowledged as a whole; Target is the newest one.
	Live   uint64 `json:"live"`
	Target uint64 `json:"target"`
}

// Status lists the proxies of the mesh, by id.
func (s *Server) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Status
	for _, id := range sortedKeys(s.known) {
		st := Status{Proxy: id, Target: s.version}
		if p := s.proxies[id]; p != nil {
			st.Connected, st.Live = p.stream.open(), p.complete
		}
		out = append(out, st)
	}
	return out
}

// WaitLive waits until the named proxies are connected and hold the newest version. A proxy that refuses it is a
// *RejectedError, one that does not come in time a *LateError.
func (s *Server) WaitLive(ctx context.Context, ids ...string) error {
	for {
		s.mu.Lock()
		changed := s.changed
		late := &LateError{Missing: map[string]Stage{}}
		var rejections []Rejection
		for _, id := range ids {
			if p := s.proxies[id]; p != nil {
				rejections = append(rejections, p.rejections...)
			}
			if p := s.proxies[id]; p == nil || !p.stream.open() {
				late.Missing[id] = Connected
			} else if p.complete < s.version {
				late.Missing[id] = Acked
			}
		}
		s.mu.Unlock()
		if len(rejections) > 0 {
			return &RejectedError{rejections}
		}
		if len(late.Missing) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return late
		}
	}
}
