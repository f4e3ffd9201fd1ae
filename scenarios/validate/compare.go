package validate

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// How far a simulated figure may be off.
const (
	// relative is the share of the live figure, for latencies and counts.
	relative = .05
	// spreads is how many standard deviations of the live runs a latency may be off, where that is more.
	spreads = 2
	// points of a share.
	points = 1
)

// Row is one figure of a scenario, live and simulated.
type Row struct {
	Figure string `json:"figure"`
	Kind   Kind   `json:"kind"`
	// Live and Simulated are medians over the runs: seconds, percent, or a number. Spread is the standard deviation of the live runs.
	Live      float64 `json:"live"`
	Spread    float64 `json:"spread"`
	Simulated float64 `json:"simulated"`
	// Allowed is by how much Simulated may differ from Live, in the same unit.
	Allowed float64 `json:"allowed"`
	Within  bool    `json:"within"`
}

// Error is by how much a simulated figure is off: of latencies and counts as a share of the live one, of shares in percentage points.
func (r Row) Error() float64 {
	d := r.Simulated - r.Live
	if r.Kind == Share || d == 0 {
		return d
	}
	return d / r.Live
}

// Compare holds simulated runs of a scenario against live ones, figure by figure. What never happens, live or simulated, is left out. There must
// be runs of both, of the same scenario; two live ones at least, or there is no spread.
func Compare(live, simulated [][]Figure) ([]Row, error) {
	if len(live) < 2 || len(simulated) == 0 {
		return nil, fmt.Errorf("%d live runs and %d simulated: it takes two live ones and one simulated", len(live), len(simulated))
	}
	var out []Row
	for i, f := range live[0] {
		a, b := values(live, i), values(simulated, i)
		r := Row{Figure: f.Name, Kind: f.Kind, Live: median(a), Spread: stat.StdDev(a, nil), Simulated: median(b)}
		if f.Kind != Latency && slices.Max(a) == 0 && slices.Max(b) == 0 {
			continue
		}
		switch f.Kind {
		case Latency:
			r.Allowed = max(relative*r.Live, spreads*r.Spread)
		case Share:
			r.Allowed = points
		case Count:
			r.Allowed = relative * r.Live
		}
		r.Within = math.Abs(r.Simulated-r.Live) <= r.Allowed
		out = append(out, r)
	}
	return out, nil
}

func values(runs [][]Figure, i int) []float64 {
	out := make([]float64, len(runs))
	for n, r := range runs {
		out[n] = r[i].Value
	}
	return out
}

// median of an even number is the mean of the two in the middle.
func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
