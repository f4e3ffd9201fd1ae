package loadgen_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkLag tells how late requests are sent at a low rate, where timers are at their coarsest.
func BenchmarkLag(b *testing.B) {
	url := serve(b, func(http.ResponseWriter, *http.Request) {})
	load := readers(url, 10)
	load.Duration = time.Second
	for b.Loop() {
		_, summaries := run(b, load)
		require.False(b, summaries[0].Behind)
		b.ReportMetric(float64(summaries[0].P99Lag.Microseconds()), "p99-lag-us")
	}
}
