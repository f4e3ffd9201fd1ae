package dist

import (
	"fmt"
	"slices"
	"time"
)

// table are the quantiles of an empirical distribution, evenly spaced from the least to the greatest, in nanoseconds.
type table struct{ quantiles []float64 }

// Empirical has these quantiles, evenly spaced from the least time to the greatest; between two of them all times are equally likely. There
// are at least two, none is negative, and none is below the one before.
func Empirical(quantiles []time.Duration) (Distribution, error) {
	if len(quantiles) < 2 || !slices.IsSorted(quantiles) || quantiles[0] < 0 || quantiles[len(quantiles)-1] > Longest {
		return Distribution{}, fmt.Errorf("an empirical time of %d quantiles: it needs two or more, from 0 to %v, in order", len(quantiles), Longest)
	}
	t := &table{}
	for _, q := range quantiles {
		t.quantiles = append(t.quantiles, float64(q))
	}
	return Distribution{family: empirical, table: t}, nil
}

// at gives the value below which a share of the times lies.
func (t *table) at(share float64) float64 {
	x := share * float64(len(t.quantiles)-1)
	i := min(int(x), len(t.quantiles)-2)
	return t.quantiles[i] + (x-float64(i))*(t.quantiles[i+1]-t.quantiles[i])
}

func (t *table) mean() float64 {
	sum := 0.
	for i := 1; i < len(t.quantiles); i++ {
		sum += (t.quantiles[i-1] + t.quantiles[i]) / 2
	}
	return sum / float64(len(t.quantiles)-1)
}

func (t *table) squaredCV() float64 {
	mean, square := t.mean(), 0.
	if mean == 0 {
		return 0
	}
	for i := 1; i < len(t.quantiles); i++ {
		a, b := t.quantiles[i-1], t.quantiles[i]
		square += (a*a + a*b + b*b) / 3
	}
	return square/float64(len(t.quantiles)-1)/(mean*mean) - 1
}

// below is the share of the times that are at most x.
func (t *table) below(x float64) float64 {
	q := t.quantiles
	i, _ := slices.BinarySearch(q, x)
	for i < len(q) && q[i] == x {
		i++
	}
	switch {
	case i == 0:
		return 0
	case i == len(q):
		return 1
	}
	return (float64(i-1) + (x-q[i-1])/(q[i]-q[i-1])) / float64(len(q)-1)
}
