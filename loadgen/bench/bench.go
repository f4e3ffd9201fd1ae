package bench

import "context"

// Figures of the load generator.
type Figures struct {
	// RequestsPerSecond is what Rate returns.
	RequestsPerSecond float64
	// P99ErrorRatio is what StallError returns.
	P99ErrorRatio float64
}

// Measure takes both figures with their defaults, within some ten seconds.
func Measure(ctx context.Context) (Figures, error) {
	var f Figures
	var err error
	if f.RequestsPerSecond, err = Rate(ctx, RateOptions{}); err != nil {
		return f, err
	}
	f.P99ErrorRatio, err = StallError(ctx, StallOptions{})
	return f, err
}
