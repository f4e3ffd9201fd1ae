package serve

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// Stage is how far a change has come on a proxy.
type Stage string

// The stages, in order. Effective is the promise: the first request sent afterwards sees the change.
const (
	Connected Stage = "connected"
	Acked     Stage = "acked"
	Active    Stage = "active"
	Effective Stage = "effective"
	// Drained comes after it, for those who ask: no old listener serves an open connection any more.
	Drained Stage = "drained"
)

// ProxyReport says what a change took on one proxy. Times count from the start of Apply.
type ProxyReport struct {
	Proxy string `json:"proxy"`
	// Changed lists the types that were sent, by their short names.
	Changed   []string      `json:"changed,omitempty"`
	Acked     time.Duration `json:"acked"`
	Active    time.Duration `json:"active"`
	Effective time.Duration `json:"effective"`
	// Drained counts from the call of AwaitDrained; 0 where no listener changed or nobody asked.
	Drained time.Duration `json:"drained,omitempty"`

	drains bool
}

// Report is the outcome of an Apply.
type Report struct {
	// Version counts the applies of this server.
	Version uint64 `json:"version"`
	// Proxies that the change concerned, by id.
	Proxies []ProxyReport `json:"proxies,omitempty"`
	// Absent are proxies of the mesh that are not connected.
	Absent []string `json:"absent,omitempty"`
	// Took is the time until the change was effective everywhere.
	Took time.Duration `json:"took"`
}

// Rejection is a NACK: what a proxy refused and which rules shaped it.
type Rejection struct {
	Proxy     string     `json:"proxy"`
	Type      string     `json:"type"`
	Resources []string   `json:"resources"`
	Message   string     `json:"message"`
	Sources   []diag.Pos `json:"sources,omitempty"`
}

func rejection(id string, typ translate.Type, f *flight, message string) Rejection {
	r := Rejection{Proxy: id, Type: typ.String(), Message: strings.TrimSpace(message)}
	for _, c := range f.changes {
		if c.new == nil {
			continue
		}
		r.Resources = append(r.Resources, c.name)
		for _, pos := range c.new.Sources {
			if !slices.Contains(r.Sources, pos) {
				r.Sources = append(r.Sources, pos)
			}
		}
	}
	return r
}

// RejectedError says that proxies refused a change. The old configuration serves on.
type RejectedError struct{ Rejections []Rejection }

func (e *RejectedError) Error() string {
	return e.Diagnostics().Text()
}

// Diagnostics gives one finding per distinct refusal, at the first rule that shaped the resource.
func (e *RejectedError) Diagnostics() diag.List {
	var out diag.List
	seen := map[string]bool{}
	for _, r := range e.Rejections {
		if seen[r.Type+r.Message] {
			continue
		}
		seen[r.Type+r.Message] = true
		var pos diag.Pos
		if len(r.Sources) > 0 {
			pos = r.Sources[0]
		}
		out.Errorf("NACK", pos, "Envoy refuses this: %s", r.Message)
		var others []string
		for _, s := range r.Sources[min(1, len(r.Sources)):] {
			others = append(others, s.String())
		}
		hint := fmt.Sprintf("%s %s at %s; the configuration before it still serves", r.Type, strings.Join(r.Resources, ", "), r.Proxy)
		if len(others) > 0 {
			hint += "\nshaped by " + strings.Join(others, ", ") + " too"
		}
		if strings.Contains(r.Message, "Address already in use") {
			hint += "\nanother program listens on this port on all addresses (0.0.0.0): end it, or let it listen on 127.0.0.1 alone"
		}
		out.Hint("%s", hint)
	}
	return out
}

// LateError names the proxies that had not come far enough at the deadline.
type LateError struct {
	// Missing is the stage that each proxy lacked.
	Missing map[string]Stage
}

func (e *LateError) Error() string {
	ids := make([]string, 0, len(e.Missing))
	for id := range e.Missing {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	for i, id := range ids {
		ids[i] = fmt.Sprintf("%s is not %s", id, e.Missing[id])
	}
	return "the change is not live everywhere: " + strings.Join(ids, "; ")
}

// Change is what an Apply sets. Nil parts stay as they are.
type Change struct {
	Snapshot *model.Snapshot
	// Proxies that the mesh shall have, all of them.
	Proxies []*model.Proxy
	// AckOnly returns when all is acknowledged, whether or not it is effective: for measurements.
	AckOnly bool
}

// Apply sets a new state and returns when it is effective on every connected proxy: the first request that is sent
// afterwards, on a new connection (and on an open one, unless a listener changed), sees it. One Apply runs at a time.
//
// Errors: *RejectedError when a proxy refused it, *LateError when the context ended first. A fault is armed on delta streams
// only: with another proxy connected, nothing is changed and the error says so.
func (s *Server) Apply(ctx context.Context, c Change) (Report, error) {
	s.applies.Lock()
	defer s.applies.Unlock()
	start := s.opts.Now()

	s.mu.Lock()
	if err := s.leasable(c.Snapshot); err != nil {
		s.mu.Unlock()
		return Report{}, err
	}
	if c.Snapshot != nil {
		s.tr.Update(*c.Snapshot)
	}
	if c.Proxies != nil {
		s.setProxies(c.Proxies)
	}
	s.version++
	report := Report{Version: s.version}
	concerned := s.concerned(&report)
	window := s.tr.Snapshot().Mesh.MergeWindow
	s.mu.Unlock()

	var listeners []listenerWatch
	var merges []mergeWatch
	if !c.AckOnly {
		listeners = s.watchListeners(ctx, concerned)
		merges = s.watchMerges(ctx, concerned, window)
	}

	s.mu.Lock()
	for _, id := range sortedKeys(s.known) {
		p := s.proxy(id)
		p.retarget(s.tr.View(id), report.Version)
		p.advance(s.opts.Now)
	}
	s.mu.Unlock()

	err := s.await(ctx, start, concerned, &report)
	if err == nil {
		err = s.awaitListeners(ctx, start, listeners, &report)
	}
	if err == nil {
		err = s.awaitMerges(ctx, start, merges, window, &report)
	}
	for i := range report.Proxies {
		report.Took = max(report.Took, report.Proxies[i].Effective)
	}
	return report, err
}

// setProxies brings the translator's proxies in step. The caller holds s.mu.
func (s *Server) setProxies(list []*model.Proxy) {
	next := map[string]*model.Proxy{}
	for _, p := range list {
		next[p.ID] = p
		if s.known[p.ID] != p {
			s.tr.SetProxy(p)
		}
	}
	for _, id := range sortedKeys(s.known) {
		if next[id] == nil {
			s.tr.RemoveProxy(id)
			delete(s.proxies, id)
		}
	}
	s.known = next
}

// retarget gives a proxy a new view. The requests of one that just became part of the mesh are taken now.
func (p *proxy) retarget(v *translate.View, version uint64) {
	p.view, p.target = v, version
	p.rejections = nil
	for typ := range translate.NumTypes {
		t := &p.types[typ]
		for _, req := range t.waiting {
			p.take(typ, req)
		}
		t.waiting = nil
		// What was refused is tried once more: another part of the change may have cured it.
		t.rejected = nil
	}
}

// concernedProxy is a proxy to which a change has something to send.
type concernedProxy struct {
	id        string
	node      *corev3.Node
	changed   []string
	listeners uint64
	// workers is the number of its worker threads; 0 if it was not asked yet.
	workers uint64
	// drains says that a listener of before changes or goes.
	drains bool
	// mergeable counts the clusters whose hosts change in a way that Envoy may keep from its workers for the merge window.
	mergeable uint64
}

// concerned finds the connected proxies that a change will reach. The caller holds s.mu.
func (s *Server) concerned(report *Report) []concernedProxy {
	var out []concernedProxy
	for _, id := range sortedKeys(s.known) {
		p := s.proxies[id]
		if p == nil || !p.stream.open() {
			report.Absent = append(report.Absent, id)
			continue
		}
		c := concernedProxy{id: id, node: p.node, workers: p.workers}
		old := p.view
		p.view = s.tr.View(id)
		for typ := range translate.NumTypes {
			additions, removals := p.pending(typ)
			if len(additions)+len(removals) > 0 || old == nil {
				c.changed = append(c.changed, typ.String())
			}
			if typ == translate.Listener && old != nil {
				c.listeners = uint64(len(additions))
				c.drains = len(removals) > 0 || slices.ContainsFunc(additions, func(a sentChange) bool { return a.old != nil })
			}
			if typ == translate.Endpoint {
				for _, a := range additions {
					if mergeable(a.old, a.new) {
						c.mergeable++
					}
				}
			}
		}
		p.view = old
		if len(c.changed) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// waiter is the Apply that waits for acknowledgements.
type waiter struct {
	start   time.Time
	version uint64
	waiting map[string]concernedProxy
	report  *Report
	// settled is closed when there is nothing to wait for any more.
	settled chan struct{}
}

// look takes a proxy's progress, and reports whether the wait is over. The caller holds Server.mu.
func (w *waiter) look(p *proxy, now func() time.Time) bool {
	c, ok := w.waiting[p.id]
	switch {
	case !ok:
	case len(p.rejections) > 0:
		// One refusal ends the wait: the caller will want to go back.
		return true
	case p.complete >= w.version:
		took := now().Sub(w.start)
		w.report.Proxies = append(w.report.Proxies, ProxyReport{
			Proxy: p.id, Changed: c.changed, Acked: took, Active: took, Effective: took, drains: c.drains,
		})
		delete(w.waiting, p.id)
	}
	return len(w.waiting) == 0
}

// await waits until every concerned proxy acknowledged the version as a whole.
func (s *Server) await(ctx context.Context, start time.Time, concerned []concernedProxy, report *Report) error {
	w := &waiter{start: start, version: report.Version, waiting: map[string]concernedProxy{}, report: report, settled: make(chan struct{})}
	for _, c := range concerned {
		w.waiting[c.id] = c
	}
	s.mu.Lock()
	over := len(w.waiting) == 0
	for _, c := range concerned {
		over = w.look(s.proxy(c.id), s.opts.Now) || over
	}
	if !over {
		s.waiter = w
	}
	s.mu.Unlock()
	if !over {
		select {
		case <-w.settled:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiter = nil
	slices.SortFunc(report.Proxies, func(a, b ProxyReport) int { return strings.Compare(a.Proxy, b.Proxy) })
	var rejections []Rejection
	for _, id := range sortedKeys(w.waiting) {
		rejections = append(rejections, s.proxy(id).rejections...)
	}
	if len(rejections) > 0 {
		return &RejectedError{rejections}
	}
	if len(w.waiting) == 0 {
		return nil
	}
	late := &LateError{Missing: map[string]Stage{}}
	for id := range w.waiting {
		late.Missing[id] = s.missing(id)
	}
	return late
}

// missing is the stage that a proxy lacks. The caller holds s.mu.
func (s *Server) missing(id string) Stage {
	if p := s.proxies[id]; p == nil || !p.stream.open() {
		return Connected
	}
	return Acked
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
