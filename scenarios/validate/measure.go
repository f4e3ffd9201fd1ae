package validate

import (
	"math"
	"slices"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// Kind of a figure decides how far off it may be.
type Kind string

// The kinds of figures.
const (
	// Latency in seconds: a quantile over all requests of a load, counted from when they were due.
	Latency Kind = "latency"
	// Share of requests in percent.
	Share Kind = "share"
	// Count of what happened in a run.
	Count Kind = "count"
)

// Figure is one number that a run shows.
type Figure struct {
	Name  string
	Kind  Kind
	Value float64
}

// Measure takes the figures of a run, the warm-up left out: of each load the median and the 99th percentile of latency and the share of errors
// (no answer, or a status of 500 and above), and of the whole run how many retries proxies made and how many endpoints those proxies threw out
// that ejected checks watch. The same scenario always has the same figures.
func Measure(run *record.Run) []Figure {
	var out []Figure
	judged := map[string]bool{} // by trace
	for _, l := range run.Scenario.Spec.Load {
		var times []float64
		bad := 0
		for i := range run.Results {
			res := &run.Results[i]
			if res.Load != l.Name || res.Scheduled.Before(run.Start) {
				continue
			}
			judged[res.TraceID] = true
			times = append(times, res.End.Sub(res.Scheduled).Seconds())
			if !res.Succeeded() {
				bad++
			}
		}
		slices.Sort(times)
		out = append(out,
			Figure{l.Name + " p50", Latency, quantile(times, .5)},
			Figure{l.Name + " p99", Latency, quantile(times, .99)},
			Figure{l.Name + " errors", Share, 100 * float64(bad) / float64(max(1, len(times)))})
	}
	retries := 0
	for i := range run.Hops {
		if h := &run.Hops[i]; judged[h.TraceID] && h.Attempts > 1 {
			retries += h.Attempts - 1
		}
	}
	ejections := 0
	for _, e := range run.Ejections {
		if e.From >= 0 {
			ejections++
		}
	}
	return append(out, Figure{"retries", Count, float64(retries)}, Figure{"ejections", Count, float64(ejections)})
}

// quantile is the smallest value that at least a share of the sorted ones do not exceed; NaN of none.
func quantile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

// Span is a latency as a time.
func Span(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
