package bench_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/loadgen/bench"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A stall is seen by all who would have come meanwhile. The scale is small; BenchmarkStall has the full one.
func TestStall(t *testing.T) {
	ratio, err := bench.StallError(t.Context(), bench.StallOptions{Rate: 200, Stall: time.Second, For: 2 * time.Second})
	require.NoError(t, err)
	require.LessOrEqual(t, ratio, 0.02)
}

func TestRate(t *testing.T) {
	rate, err := bench.Rate(t.Context(), bench.RateOptions{
		For: 200 * time.Millisecond, Tolerance: loadgen.Tolerance{Late: time.Second},
	})
	require.NoError(t, err)
	require.Greater(t, rate, 100.0)
}

func BenchmarkRate(b *testing.B) {
	for b.Loop() {
		rate, err := bench.Rate(b.Context(), bench.RateOptions{})
		require.NoError(b, err)
		b.ReportMetric(rate, "requests/s")
	}
}

func BenchmarkStall(b *testing.B) {
	for b.Loop() {
		ratio, err := bench.StallError(b.Context(), bench.StallOptions{})
		require.NoError(b, err)
		b.ReportMetric(ratio, "p99-error-ratio")
	}
}
