package serve

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// A listener that changed goes on serving its open connections with its old filter chains, and one that was removed with
// all of them, until Envoy's drain time (--drain-time-s) is over. These gauges count what still does.
const (
	drainingChains    = "listener_manager.total_filter_chains_draining"
	drainingListeners = "listener_manager.total_listeners_draining"
)

// drainPoll is how often the gauges are read: a drain takes seconds.
const drainPoll = 20 * time.Millisecond

// AwaitDrained waits until no old listener serves on at the proxies whose listeners an Apply changed, and notes in its
// report when that was, counted from now. It is a stage of its own because open connections end when their clients say so
// or the drain time is over, and new ones see the change long before.
//
// Errors: *LateError with the proxies that still drain when the context ends, or whose gauges cannot be read.
func (s *Server) AwaitDrained(ctx context.Context, report *Report) error {
	start := s.opts.Now()
	errs := make([]error, len(report.Proxies))
	var all sync.WaitGroup
	for i := range report.Proxies {
		if p := &report.Proxies[i]; p.drains {
			all.Go(func() {
				errs[i] = s.drained(ctx, p.Proxy)
				p.Drained = s.opts.Now().Sub(start)
			})
		}
	}
	all.Wait()
	late := &LateError{Missing: map[string]Stage{}}
	for i, err := range errs {
		if err != nil {
			report.Proxies[i].Drained = 0
			late.Missing[report.Proxies[i].Proxy] = Drained
		}
	}
	if len(late.Missing) > 0 {
		return late
	}
	return nil
}

func (s *Server) drained(ctx context.Context, id string) error {
	s.mu.Lock()
	var node *corev3.Node
	if p := s.proxies[id]; p != nil {
		node = p.node
	}
	s.mu.Unlock()
	if node == nil || s.opts.Admin == nil {
		return errors.New("its gauges cannot be read")
	}
	gauges := []string{drainingChains, drainingListeners}
	for {
		var err error
		gauges = slices.DeleteFunc(gauges, func(name string) bool {
			n, e := s.opts.Admin.Stat(ctx, node, name)
			if e != nil {
				err = e
			}
			return e == nil && n == 0
		})
		if err != nil || len(gauges) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(drainPoll):
		}
	}
}
