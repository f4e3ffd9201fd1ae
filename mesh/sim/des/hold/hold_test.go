package hold

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkHold(b *testing.B) {
	for _, pending := range []int{100, 1_000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(pending), func(b *testing.B) {
			m := New(pending, 1)
			m.Run(10 * pending)
			b.ReportAllocs()
			b.ResetTimer()
			m.Run(b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mevents/s")
		})
	}
}

func TestTheNumberOfPendingEventsHolds(t *testing.T) {
	m := New(1000, 1)
	m.Run(100_000)
	require.Equal(t, 1000, m.Pending())
	require.EqualValues(t, 100_000, m.kernel.Fired())
}
