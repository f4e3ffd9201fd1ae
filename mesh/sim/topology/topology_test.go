package topology_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/mesh/sim/topology"
	"github.com/squallmesh/squall/mesh/telemetry"
)

var thousand = topology.Generated{Services: 1000, Layers: 6, Replicas: 10, MostCalls: 8, Skew: 1.2, Work: time.Millisecond, Seed: 1}

// BenchmarkThousandServices is a second of a mesh of 1,000 services with ten instances each, with 100,000 calls between services.
func BenchmarkThousandServices(b *testing.B) {
	g := thousand
	t, err := topology.Generate(g)
	require.NoError(b, err)
	m, err := t.Mesh(sim.Options{Seed: 1})
	require.NoError(b, err)
	good := 0
	for i, rate := range g.Rates(t, 100_000) {
		every := time.Duration(float64(time.Second) / rate)
		m.AddLoad(&sim.Load{
			Proxy: topology.Client, Message: t.Request(i), Timeout: 10 * time.Second,
			Due: func(n uint64) (time.Duration, bool) { return time.Duration(n) * every, true },
			Done: func(v sim.Visit) {
				if m.Answer(v.Answer).Status == 200 {
					good++
				}
			},
		})
	}
	require.NoError(b, m.Run(2*time.Second, nil))
	before := m.Events()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		require.NoError(b, m.Run(time.Duration(3+i)*time.Second, nil))
	}
	b.ReportMetric(float64(m.Events()-before)/b.Elapsed().Seconds()/1e6, "Mevents/s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "s/s")
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(mem.Sys)/1e6, "MB")
	b.ReportMetric(float64(m.Events()-before)/float64(b.N)/100_000, "events/hop")
	require.NotZero(b, good)
}

// A page of a topology makes the calls that its graph says, each over two proxies.
func TestCallsFollowTheGraph(t *testing.T) {
	top, err := topology.Generate(topology.Generated{Services: 30, Layers: 3, Replicas: 2, MostCalls: 4, Skew: 1, Work: time.Millisecond, Seed: 7})
	require.NoError(t, err)
	calls, inside := 0, 0
	m, err := top.Mesh(sim.Options{Seed: 1, Hop: func(h *telemetry.Hop) {
		require.Equal(t, 200, h.Status)
		if h.Direction == telemetry.Inbound {
			calls++
		} else {
			inside++
		}
	}})
	require.NoError(t, err)
	want := 0.
	for i := range 10 {
		want += top.Hops(i)
		m.AddLoad(&sim.Load{Proxy: topology.Client, Message: top.Request(i), Due: func(n uint64) (time.Duration, bool) { return 0, n == 0 }})
	}
	require.NoError(t, m.Run(time.Minute, nil))
	require.Zero(t, m.Visits())
	require.InDelta(t, want, calls, 0)
	require.Equal(t, calls, inside)
	require.Greater(t, want, 20., "the first layer calls others, which call others")
}

func TestGenerate(t *testing.T) {
	small := topology.Generated{Services: 40, Layers: 4, MostCalls: 3, Skew: 1, Work: time.Millisecond, Seed: 1}
	a, err := topology.Generate(small)
	require.NoError(t, err)
	b, err := topology.Generate(small)
	require.NoError(t, err)
	require.Equal(t, a, b, "the same seed gives the same graph")
	small.Seed = 2
	b, err = topology.Generate(small)
	require.NoError(t, err)
	require.NotEqual(t, a, b)
	sum := 0.
	for i, rate := range small.Rates(a, 1000) {
		sum += rate * a.Hops(i)
	}
	require.InEpsilon(t, 1000, sum, 1e-9)
	small.Layers = 1
	_, err = topology.Generate(small)
	require.ErrorContains(t, err, "needs two layers")
	_, err = (&topology.Topology{Services: []topology.Service{{Name: "a", Calls: []int{0}}}}).Mesh(sim.Options{})
	require.ErrorContains(t, err, "does not stand later")
}
