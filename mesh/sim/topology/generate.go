package topology

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/squallmesh/squall/mesh/sim/des"
	"github.com/squallmesh/squall/mesh/sim/dist"
)

// Generated says what Generate makes.
type Generated struct {
	// Services in all, and the layers over which they are spread evenly, at least two. Only the first layer is called from outside.
	Services, Layers int
	// Replicas of each service.
	Replicas int
	// MostCalls bounds how many services one calls, and Skew, above 0, is the exponent of Zipf's law that fan-out and popularity follow: a
	// service makes k+1 calls with a probability proportional to 1/(k+1)^Skew, and calls the k-th service of the next layer likewise.
	MostCalls int
	Skew      float64
	// Work of every service: log-normal, with this mean and a coefficient of variation of 0.5.
	Work time.Duration
	Seed uint64
}

// Generate makes a topology in layers: a service calls some of the next layer, and those of the last call nobody.
func Generate(g Generated) (*Topology, error) {
	if g.Layers < 2 || g.Services < g.Layers || g.MostCalls < 1 || g.Skew <= 0 {
		return nil, fmt.Errorf("a topology of %d services in %d layers, with up to %d calls and a skew of %g: it needs two layers, a service in each, a call and a skew above 0",
			g.Services, g.Layers, g.MostCalls, g.Skew)
	}
	work, err := dist.LogNormal(g.Work, .5)
	if err != nil {
		return nil, err
	}
	r := des.Stream(g.Seed, "topology")
	first := func(layer int) int { return layer * g.Services / g.Layers }
	t := &Topology{}
	for layer := range g.Layers {
		for i := first(layer); i < first(layer+1); i++ {
			s := Service{Name: fmt.Sprintf("s%04d", i), Replicas: g.Replicas, Work: work}
			if layer+1 < g.Layers {
				below := first(layer+2) - first(layer+1)
				popular := zipf(below, g.Skew)
				for range 1 + pick(r, zipf(g.MostCalls, g.Skew)) {
					s.Calls = append(s.Calls, first(layer+1)+pick(r, popular))
				}
			}
			t.Services = append(t.Services, s)
		}
	}
	return t, nil
}

// Rates are those of requests from outside to the services of the first layer, by Zipf's law too, that lead to so many calls in all per
// second of virtual time.
func (g Generated) Rates(t *Topology, callsPerSecond float64) []float64 {
	out := make([]float64, g.Services/g.Layers)
	calls := 0.
	for k := range out {
		out[k] = math.Pow(float64(k+1), -g.Skew)
		calls += out[k] * t.Hops(k)
	}
	for k := range out {
		out[k] *= callsPerSecond / calls
	}
	return out
}

// zipf gives the sums of 1/k^skew.
func zipf(n int, skew float64) []float64 {
	out := make([]float64, n)
	sum := 0.
	for k := range out {
		sum += math.Pow(float64(k+1), -skew)
		out[k] = sum
	}
	return out
}

// pick draws a place by the sums of weights.
func pick(r *rand.Rand, sums []float64) int {
	x := r.Float64() * sums[len(sums)-1]
	for i, s := range sums {
		if x < s {
			return i
		}
	}
	return len(sums) - 1
}
