package dist

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Fitted is a distribution that stands for measured times.
type Fitted struct {
	Distribution Distribution
	// Samples it was fitted to.
	Samples int
	// Distance is Kolmogorov's and Smirnov's: the most by which the shares of times below a value differ between samples and distribution.
	Distance float64
	// Critical is the distance beyond which a family does not describe the samples, at a level of 5 %: 1.358/√n. With parameters that were
	// estimated from the same samples the true level is below that.
	Critical float64
}

// quantilesOfAFit are those of an empirical distribution that Fit makes.
const quantilesOfAFit = 401

// Fit describes samples by the family that comes closest: constant, exponential, log-normal or gamma, the latter two by their moments (of the
// logarithms for the log-normal). Where none is close enough it is empirical. Without samples there is nothing to fit, which is an error.
func Fit(samples []time.Duration) (Fitted, error) {
	if len(samples) == 0 {
		return Fitted{}, fmt.Errorf("there are no times to fit")
	}
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	out := Fitted{Samples: len(sorted), Critical: 1.358 / math.Sqrt(float64(len(sorted)))}
	if sorted[0] < 0 {
		return Fitted{}, fmt.Errorf("a measured time of %v is negative", sorted[0])
	}
	if sorted[0] == sorted[len(sorted)-1] {
		d, err := Constant(sorted[0])
		out.Distribution = d
		return out, err
	}
	out.Distance = math.Inf(1)
	for _, d := range candidates(sorted) {
		if k := distance(sorted, d); k < out.Distance {
			out.Distribution, out.Distance = d, k
		}
	}
	if out.Distance <= out.Critical {
		return out, nil
	}
	quantiles := make([]time.Duration, min(quantilesOfAFit, len(sorted)))
	for i := range quantiles {
		quantiles[i] = sorted[i*(len(sorted)-1)/(len(quantiles)-1)]
	}
	d, err := Empirical(quantiles)
	out.Distribution, out.Distance = d, distance(sorted, d)
	return out, err
}

func candidates(sorted []time.Duration) (out []Distribution) {
	n := float64(len(sorted))
	var sum, square, logs, logSquare float64
	for _, s := range sorted {
		x, l := float64(s), math.Log(math.Max(float64(s), 1))
		sum, square, logs, logSquare = sum+x, square+x*x, logs+l, logSquare+l*l
	}
	mean := sum / n
	cv := math.Sqrt(math.Max(0, square/n-mean*mean)) / mean
	add := func(d Distribution, err error) {
		if err == nil { // parameters beyond what the family has
			out = append(out, d)
		}
	}
	add(Exponential(time.Duration(mean)))
	add(Gamma(time.Duration(mean), cv))
	variance := math.Max(0, logSquare/n-(logs/n)*(logs/n))
	add(LogNormal(time.Duration(math.Exp(logs/n+variance/2)), math.Sqrt(math.Expm1(variance))))
	return out
}

// distance is Kolmogorov's and Smirnov's, of sorted samples.
func distance(sorted []time.Duration, d Distribution) float64 {
	n, worst := float64(len(sorted)), 0.
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		p := d.Below(sorted[i])
		before := d.Below(sorted[i] - 1) // times are whole
		worst = max(worst, math.Abs(p-float64(j)/n), math.Abs(before-float64(i)/n))
		i = j
	}
	return worst
}

// Below is the share of the times that are at most t.
func (d Distribution) Below(t time.Duration) float64 {
	x := float64(t)
	if x < 0 {
		return 0
	}
	switch d.family {
	case constant:
		if x >= d.a {
			return 1
		}
		return 0
	case exponential:
		return -math.Expm1(-x / d.a)
	case logNormal:
		if x == 0 {
			return 0
		}
		return math.Erfc((d.a-math.Log(x))/(d.b*math.Sqrt2)) / 2
	case gamma:
		return lowerGamma(d.a, x/d.b)
	case pareto:
		if x <= d.a {
			return 0
		}
		return 1 - math.Pow(d.a/x, d.b)
	case empirical:
		return d.table.below(x)
	}
	panic("dist: unknown family")
}

// lowerGamma is the regularised lower incomplete gamma function, by its series below a+1 and by Lentz's continued fraction above. Source:
// Press et al., Numerical Recipes, section 6.2.
func lowerGamma(a, x float64) float64 {
	if x <= 0 {
		return 0
	}
	lg, _ := math.Lgamma(a)
	front := math.Exp(a*math.Log(x) - x - lg)
	const rounds, enough = 10_000, 1e-12
	if x < a+1 {
		term := 1 / a
		sum := term
		for n := 1; n < rounds && term > sum*enough; n++ {
			term *= x / (a + float64(n))
			sum += term
		}
		return math.Min(1, sum*front)
	}
	const tiny = 1e-300
	b := x + 1 - a
	c, d := 1/tiny, 1/b
	h := d
	for n := 1; n < rounds; n++ {
		an := -float64(n) * (float64(n) - a)
		b += 2
		if d = an*d + b; math.Abs(d) < tiny {
			d = tiny
		}
		if c = b + an/c; math.Abs(c) < tiny {
			c = tiny
		}
		d = 1 / d
		h *= d * c
		if math.Abs(d*c-1) < enough {
			break
		}
	}
	return math.Max(0, 1-front*h)
}
