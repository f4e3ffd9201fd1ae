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

// Envoy gathers changes of a cluster's hosts that come within update_merge_window (1 s unless the cluster says otherwise)
// and brings them to its workers together, unless hosts came or went. The acknowledgement does not wait for that. Source:
// ClusterManagerImpl::scheduleUpdate, which looks at each priority by itself.

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

// awaitMerge waits the merge window out on the proxies whose change may lie in it. The window of each began before its
// acknowledgement; those are all in.
func (s *Server) awaitMerge(ctx context.Context, start time.Time, concerned []concernedProxy, report *Report) error {
	s.mu.Lock()
	window := s.tr.Snapshot().Mesh.MergeWindow
	s.mu.Unlock()
	if window <= 0 || !slices.ContainsFunc(concerned, func(c concernedProxy) bool { return c.merged }) {
		return nil
	}
	late := &LateError{Missing: map[string]Stage{}}
	timer := time.NewTimer(window)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	for _, c := range concerned {
		if !c.merged {
			continue
		}
		err := ctx.Err()
		// Two answers of the thread on which the timers run: the second comes after what was due at the first.
		for range 2 {
			if err == nil && s.opts.Admin != nil {
				_, err = s.opts.Admin.Stat(ctx, c.node, mergeCounter)
			}
		}
		if err != nil {
			late.Missing[c.id] = Effective
			continue
		}
		took := s.opts.Now().Sub(start)
		for i := range report.Proxies {
			if report.Proxies[i].Proxy == c.id {
				report.Proxies[i].Effective = took
			}
		}
	}
	if len(late.Missing) > 0 {
		return late
	}
	return nil
}

const mergeCounter = "cluster_manager.cluster_updated_via_merge"
