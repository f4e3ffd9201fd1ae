package istio_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/istio"
)

// Rules change labels and leave metrics out, of the hops that say so and of no other.
func TestCounting(t *testing.T) {
	m := istio.New(istio.Options{})
	plain := telemetry.Hop{Direction: telemetry.Outbound, Status: 200, Workload: "web", Cluster: "outbound|80||a.default.svc.cluster.local"}
	changed := plain
	changed.Counting = telemetry.Counting{
		"REQUEST_COUNT":    {Labels: map[string]string{"tenant": "acme", "response_flags": "", "response_code": "2xx"}},
		"REQUEST_DURATION": {Disabled: true},
	}
	m.Add(plain)
	m.Add(changed)
	m.Add(changed)
	counts, durations := map[[3]string]float64{}, 0.0
	for _, p := range m.Sample(time.Unix(1, 0)) {
		label := func(name string) string {
			for _, l := range p.Labels {
				if l.Name == name {
					return l.Value
				}
			}
			return ""
		}
		switch p.Name {
		case istio.RequestsTotal:
			counts[[3]string{label("tenant"), label("response_flags"), label("response_code")}] = p.Value
			require.Equal(t, "web", label("source_workload"), "other labels stay")
		case istio.RequestDuration + "_count":
			durations += p.Value
		}
	}
	require.Equal(t, map[[3]string]float64{{"", "-", "200"}: 1, {"acme", "", "2xx"}: 2}, counts)
	require.InDelta(t, 1, durations, 0)
}
