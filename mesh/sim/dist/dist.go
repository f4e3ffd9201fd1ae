// Package dist has distributions of service times.
package dist

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Longest is the longest time that is drawn, some 73 years: what is longer is cut, so that adding it to a time of a run cannot overflow.
const Longest = time.Duration(1 << 61)

type family uint8

const (
	constant family = iota
	exponential
	logNormal
	gamma
	pareto
	empirical
)

// Distribution of a time that is not negative. It is a plain value; the zero Distribution is the constant 0. Times are drawn in
// whole nanoseconds, rounded to the nearest, so means below some microseconds lose precision.
type Distribution struct {
	family family
	// a and b are the family's parameters, in nanoseconds where they are times:
	// constant: a the value; exponential: a the mean; log-normal: a mean and b standard deviation of the logarithm;
	// gamma: a shape, b scale; Pareto: a minimum, b shape.
	a, b float64
	// table of an empirical distribution.
	table *table
}

// Constant is always value, which is not negative.
func Constant(value time.Duration) (Distribution, error) {
	if value < 0 || value > Longest {
		return Distribution{}, fmt.Errorf("a constant time of %v: it must be between 0 and %v", value, Longest)
	}
	return Distribution{family: constant, a: float64(value)}, nil
}

// Exponential has a mean > 0.
func Exponential(mean time.Duration) (Distribution, error) {
	if err := positive("an exponential", "mean", mean); err != nil {
		return Distribution{}, err
	}
	return Distribution{family: exponential, a: float64(mean)}, nil
}

// LogNormal has a mean > 0 and a coefficient of variation > 0: the standard deviation over the mean, of the times themselves and not
// of their logarithms.
func LogNormal(mean time.Duration, cv float64) (Distribution, error) {
	if err := shaped("a log-normal", "mean", mean, "coefficient of variation", cv); err != nil {
		return Distribution{}, err
	}
	variance := math.Log1p(cv * cv)
	return Distribution{family: logNormal, a: math.Log(float64(mean)) - variance/2, b: math.Sqrt(variance)}, nil
}

// Gamma has a mean > 0 and a coefficient of variation > 0, as LogNormal has. Its shape is 1/cv²; a whole shape is an Erlang distribution.
func Gamma(mean time.Duration, cv float64) (Distribution, error) {
	if err := shaped("a gamma", "mean", mean, "coefficient of variation", cv); err != nil {
		return Distribution{}, err
	}
	shape := 1 / (cv * cv)
	return Distribution{family: gamma, a: shape, b: float64(mean) / shape}, nil
}

// Pareto has P(X > x) = (minimum/x)^shape, with a minimum > 0 and a shape > 0. With a shape of at most 1 its mean is infinite, and of
// at most 2 its variance: see Mean and SquaredCV.
func Pareto(minimum time.Duration, shape float64) (Distribution, error) {
	if err := shaped("a Pareto", "minimum", minimum, "shape", shape); err != nil {
		return Distribution{}, err
	}
	return Distribution{family: pareto, a: float64(minimum), b: shape}, nil
}

func positive(family, name string, d time.Duration) error {
	if d <= 0 || d > Longest {
		return fmt.Errorf("%s time with a %s of %v: it must be above 0 and at most %v", family, name, d, Longest)
	}
	return nil
}

func shaped(family, scaleName string, scale time.Duration, shapeName string, shape float64) error {
	// Beyond that all draws are alike, or nearly all are 0.
	if !(shape >= 1e-3 && shape <= 1e3) {
		return fmt.Errorf("%s time with a %s of %v: it must be between 0.001 and 1000", family, shapeName, shape)
	}
	return positive(family, scaleName, scale)
}

// Mean in nanoseconds, before what is longer than Longest is cut; +Inf for a Pareto distribution with a shape of at most 1, of which a
// queue has no steady state at any load.
func (d Distribution) Mean() float64 {
	switch d.family {
	case constant, exponential:
		return d.a
	case logNormal:
		return math.Exp(d.a + d.b*d.b/2)
	case gamma:
		return d.a * d.b
	case pareto:
		if d.b > 1 {
			return d.a * d.b / (d.b - 1)
		}
		return math.Inf(1)
	case empirical:
		return d.table.mean()
	}
	panic("dist: unknown family")
}

// SquaredCV is the variance over the square of the mean. It is +Inf where the variance is infinite, and so is then the mean wait in a
// queue that serves in order of arrival.
func (d Distribution) SquaredCV() float64 {
	switch d.family {
	case constant:
		return 0
	case exponential:
		return 1
	case logNormal:
		return math.Expm1(d.b * d.b)
	case gamma:
		return 1 / d.a
	case pareto:
		if d.b > 2 {
			return 1 / (d.b * (d.b - 2))
		}
		return math.Inf(1)
	case empirical:
		return d.table.squaredCV()
	}
	panic("dist: unknown family")
}

// Draw takes a time from a random stream.
func (d Distribution) Draw(r *rand.Rand) time.Duration {
	var x float64
	switch d.family {
	case constant:
		x = d.a
	case exponential:
		x = d.a * r.ExpFloat64()
	case logNormal:
		x = math.Exp(d.a + d.b*r.NormFloat64())
	case gamma:
		x = d.b * drawGamma(r, d.a)
	case pareto:
		x = d.a * math.Exp(r.ExpFloat64()/d.b) // the logarithm of x/minimum is exponential with the rate shape
	case empirical:
		x = d.table.at(r.Float64())
	}
	if x >= float64(Longest) {
		return Longest
	}
	return time.Duration(math.Round(x))
}

// drawGamma is of scale 1. The method is Marsaglia's and Tsang's, "A simple method for generating gamma variables" (2000); a shape
// below 1 is raised by 1 first, as they say in section 6.
func drawGamma(r *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return drawGamma(r, shape+1) * math.Exp(-r.ExpFloat64()/shape) // U^(1/shape), U uniform
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if r.ExpFloat64() > -(x*x/2 + d - d*v + d*math.Log(v)) { // log U < …, U uniform
			return d * v
		}
	}
}
