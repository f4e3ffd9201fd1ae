package bench

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/loadgen/pace"
)

// StallOptions of StallError. Zero fields have defaults.
type StallOptions struct {
	// Rate of requests per second. 0: 200. All that wait end at once, and the machine needs some 40 µs for each: a high rate
	// measures that instead.
	Rate uint64
	// Stall is how long the service answers nothing. 0: 1 s.
	Stall time.Duration
	// For is the whole duration; the stall begins in its middle. 0: four times the stall.
	For time.Duration
}

// StallError offers a constant rate to a service that stalls once, and returns by which share the p99 counted from the
// schedule misses the computed one.
//
// The computed one: a request due d after the stall began, 0 <= d < Stall, ends when the stall does and takes Stall - d; all
// others take no time.
func StallError(ctx context.Context, opts StallOptions) (ratio float64, err error) {
	if opts.Rate == 0 {
		opts.Rate = 200
	}
	if opts.Stall == 0 {
		opts.Stall = time.Second
	}
	if opts.For == 0 {
		opts.For = 4 * opts.Stall
	}
	start := time.Now().Add(50 * time.Millisecond)
	begin := start.Add(opts.For/2 - opts.Stall/2)
	end := begin.Add(opts.Stall)
	s, err := serve(ctx, func(_ http.ResponseWriter, r *http.Request) {
		if now := time.Now(); now.Before(begin) || !now.Before(end) {
			return
		}
		timer := time.NewTimer(time.Until(end))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()

	var measured []time.Duration
	pacer := pace.NewConstant(pace.PerSecond(opts.Rate))
	summaries, err := loadgen.Run(ctx, start, []loadgen.Load{{
		Name: "stall", Pacer: pacer, Duration: opts.For, Requests: loadgen.Get(s.url),
	}}, func(r loadgen.Result) { measured = append(measured, r.Latency()) })
	if err != nil {
		return 0, err
	}
	if summaries[0].Behind {
		return 0, errors.New(summaries[0].Reason)
	}
	computed := make([]time.Duration, 0, len(measured))
	for n := range pacer.Hits(opts.For) {
		due := start.Add(pacer.Due(n))
		latency := time.Duration(0)
		if !due.Before(begin) && due.Before(end) {
			latency = end.Sub(due)
		}
		computed = append(computed, latency)
	}
	slices.Sort(measured)
	slices.Sort(computed)
	want := loadgen.Quantile(computed, 0.99)
	return math.Abs(float64(loadgen.Quantile(measured, 0.99)-want)) / float64(want), nil
}
