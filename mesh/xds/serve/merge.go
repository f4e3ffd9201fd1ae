package serve

import (
	"context"
	"fmt"
	"slices"
	"time"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/squallmesh/squall/mesh/xds/translate"
)

// Envoy may gather changes of a cluster's hosts that come within update_merge_window (1 s unless the cluster says otherwise)
// and bring them to its workers together, unless hosts came or went. Source: ClusterManagerImpl::scheduleUpdate, which looks
// at each priority by itself. The acknowledgement does not wait for that. Envoy 1.40 gathers what outlier detection and
// health checks find, and delivers all that comes by EDS at once: 320 of 320 changes of health, weight and locality's weight
// that came 50 ms or 300 ms after the one before. So the counter of deliveries is asked, and only where it has not moved the
// window is waited out.
const deliveries = "cluster_manager.cluster_updated"

// mergeable reports whether new endpoints may wait for the window: some priority has the hosts that it had, with
// another health, weight or place.
func mergeable(old, fresh *translate.Resource) bool {
	if old == nil || fresh == nil {
		return false
	}
	was, ok := old.Message.(*endpointv3.ClusterLoadAssignment)
	if !ok {
		// What the proxy held before is not known any more.
		return true
	}
	is, ok := fresh.Message.(*endpointv3.ClusterLoadAssignment)
	if !ok {
		return true
	}
	before, after := byPriority(was), byPriority(is)
	for priority, p := range after {
		q, ok := before[priority]
		if ok && slices.Equal(p.hosts, q.hosts) && !slices.EqualFunc(p.groups, q.groups, func(a, b *endpointv3.LocalityLbEndpoints) bool { return proto.Equal(a, b) }) {
			return true
		}
	}
	return false
}

type priorityHosts struct {
	hosts  []string
	groups []*endpointv3.LocalityLbEndpoints
}

func byPriority(a *endpointv3.ClusterLoadAssignment) map[uint32]priorityHosts {
	out := map[uint32]priorityHosts{}
	for _, g := range a.GetEndpoints() {
		p := out[g.GetPriority()]
		p.groups = append(p.groups, g)
		for _, e := range g.GetLbEndpoints() {
			s := e.GetEndpoint().GetAddress().GetSocketAddress()
			p.hosts = append(p.hosts, fmt.Sprintf("%s:%d", s.GetAddress(), s.GetPortValue()))
		}
		slices.Sort(p.hosts)
		out[g.GetPriority()] = p
	}
	return out
}

// mergeWatch is the number of deliveries that a proxy's counter must reach.
type mergeWatch struct {
	concernedProxy
	goal uint64
	// blind is why the counter cannot be read.
	blind error
}

// watchMerges reads the counters before a change of hosts is sent.
func (s *Server) watchMerges(ctx context.Context, concerned []concernedProxy, window time.Duration) []mergeWatch {
	if s.opts.Admin == nil || window <= 0 {
		return nil
	}
	var out []mergeWatch
	for _, c := range concerned {
		if c.mergeable == 0 {
			continue
		}
		before, err := s.opts.Admin.Stat(ctx, c.node, deliveries)
		out = append(out, mergeWatch{concernedProxy: c, goal: before + c.mergeable, blind: err})
	}
	return out
}

// awaitMerges waits the window out where changes of hosts were acknowledged and not delivered. The window of each began
// before its acknowledgement.
func (s *Server) awaitMerges(ctx context.Context, start time.Time, watched []mergeWatch, window time.Duration, report *Report) error {
	var held []mergeWatch
	for _, w := range watched {
		now, err := uint64(0), w.blind
		if err == nil {
			now, err = s.opts.Admin.Stat(ctx, w.node, deliveries)
		}
		if err != nil || now < w.goal {
			held = append(held, w)
		}
	}
	if len(held) == 0 {
		return nil
	}
	timer := time.NewTimer(window)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	late := &LateError{Missing: map[string]Stage{}}
	for _, w := range held {
		err := ctx.Err()
		// Two answers of the thread on which the timers run: the second comes after what was due at the first.
		for range 2 {
			if err == nil {
				_, err = s.opts.Admin.Stat(ctx, w.node, deliveries)
			}
		}
		if err != nil {
			late.Missing[w.id] = Effective
			continue
		}
		took := s.opts.Now().Sub(start)
		for i := range report.Proxies {
			if report.Proxies[i].Proxy == w.id {
				report.Proxies[i].Effective = took
			}
		}
	}
	if len(late.Missing) > 0 {
		return late
	}
	return nil
}
