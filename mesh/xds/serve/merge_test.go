package serve_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// deliveries is an admin interface whose counter grows with each reading, or does not.
type deliveries struct {
	value, step atomic.Uint64
}

func (d *deliveries) Stat(context.Context, *corev3.Node, string) (uint64, error) {
	return d.value.Add(d.step.Load()), nil
}

func (d *deliveries) Workers(context.Context, *corev3.Node) (uint64, error) { return 1, nil }

// An Envoy that acknowledged new weights and did not give them to its workers keeps them for the merge window; Apply waits
// it out. One that did is not waited for, nor is one whose hosts came or went.
func TestTheMergeWindowIsWaitedOutWhereEnvoyUsesIt(t *testing.T) {
	const window = 50 * time.Millisecond
	admin := &deliveries{}
	s := startWith(t, serve.Options{Admin: admin})
	with := func(list ...model.Endpoint) *model.Snapshot {
		snap := mesh(0)
		settings := *snap.Mesh
		settings.MergeWindow = window
		snap.Mesh = &settings
		for i := range list {
			list[i].Ports = map[uint32]uint32{9080: 9080}
		}
		snap.Endpoints = snap.Endpoints.Set(reviews, &model.Endpoints{Host: reviews, List: list})
		return snap
	}
	one, heavy, two := model.Endpoint{Address: "127.16.1.1"}, model.Endpoint{Address: "127.16.1.1", Weight: 9}, model.Endpoint{Address: "127.16.1.2"}
	require.NoError(t, <-apply(t, s, time.Second, serve.Change{Snapshot: with(one), Proxies: []*model.Proxy{proxy("a")}}))
	c := s.connect(t, "a", nil)
	boot(t, s, c, "a")
	for _, step := range []struct {
		what  string
		snap  *model.Snapshot
		grows uint64
		waits bool
	}{
		{"weights, not delivered", with(heavy), 0, true},
		{"weights, delivered", with(one), 1, false},
		{"another host", with(two), 0, false},
		{"a host more", with(two, one), 0, false},
	} {
		admin.step.Store(step.grows)
		reports := make(chan serve.Report, 1)
		go func() {
			report, _ := s.Apply(t.Context(), serve.Change{Snapshot: step.snap})
			reports <- report
		}()
		require.Equal(t, translate.Endpoint, take(t, c).Type, step.what)
		report := <-reports
		require.Len(t, report.Proxies, 1, step.what)
		waited := report.Proxies[0].Effective - report.Proxies[0].Acked
		if step.waits {
			require.GreaterOrEqual(t, waited, window, step.what)
		} else {
			require.Zero(t, waited, step.what)
		}
	}
}
