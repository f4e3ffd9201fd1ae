package crew

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestACrewServesFirstComeFirstServed(t *testing.T) {
	const ms = time.Millisecond
	start := time.Unix(0, 0)
	type arrival struct{ at, service, done time.Duration }
	for _, c := range []struct {
		name     string
		workers  int
		arrivals []arrival
	}{
		{"one worker", 1, []arrival{{0, 50 * ms, 50 * ms}, {0, 50 * ms, 100 * ms}, {10 * ms, 50 * ms, 150 * ms}, {200 * ms, 50 * ms, 250 * ms}}},
		{"two workers", 2, []arrival{{0, 50 * ms, 50 * ms}, {0, 20 * ms, 20 * ms}, {10 * ms, 50 * ms, 70 * ms}, {10 * ms, 50 * ms, 100 * ms}}},
		{"no service", 1, []arrival{{0, 0, 0}, {0, 30 * ms, 30 * ms}, {10 * ms, 0, 30 * ms}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var crew Crew
			for i, a := range c.arrivals {
				require.Equal(t, a.done-a.at, crew.Take(start.Add(a.at), c.workers, a.service), "arrival %d", i)
			}
		})
	}
	t.Run("workers come and go", func(t *testing.T) {
		var crew Crew
		crew.Take(start, 2, 50*ms)
		crew.Take(start, 2, 90*ms)
		require.Equal(t, 100*ms, crew.Take(start, 1, 10*ms), "the one who stays is busy for 90 ms")
		require.Equal(t, 10*ms, crew.Take(start, 2, 10*ms), "a new one is free")
	})
}
