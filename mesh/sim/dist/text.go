package dist

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Text is a distribution as files write it: one of the fields is set. Times are written 1.5ms.
type Text struct {
	Constant    *Duration  `json:"constant,omitempty" yaml:"constant,omitempty"`
	Exponential *Moments   `json:"exponential,omitempty" yaml:"exponential,omitempty,flow"`
	LogNormal   *Moments   `json:"logNormal,omitempty" yaml:"logNormal,omitempty,flow"`
	Gamma       *Moments   `json:"gamma,omitempty" yaml:"gamma,omitempty,flow"`
	Pareto      *Tail      `json:"pareto,omitempty" yaml:"pareto,omitempty,flow"`
	Empirical   []Duration `json:"empirical,omitempty" yaml:"empirical,omitempty,flow"`
}

// Moments are a mean and, for families that have another parameter, the coefficient of variation.
type Moments struct {
	Mean Duration `json:"mean" yaml:"mean"`
	CV   float64  `json:"cv,omitempty" yaml:"cv,omitempty"`
}

// Tail is what a Pareto distribution has.
type Tail struct {
	Minimum Duration `json:"minimum" yaml:"minimum"`
	Shape   float64  `json:"shape" yaml:"shape"`
}

// Duration is written 1.5ms.
type Duration time.Duration

// UnmarshalText reads 1.5ms. Negative times are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return errors.New("a time such as 500us or 1.5ms is wanted")
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes 1.5ms.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Distribution reads a text.
func (t *Text) Distribution() (Distribution, error) {
	set := 0
	var out Distribution
	var err error
	take := func(there bool, f func() (Distribution, error)) {
		if there {
			set++
			out, err = f()
		}
	}
	take(t.Constant != nil, func() (Distribution, error) { return Constant(time.Duration(*t.Constant)) })
	take(t.Exponential != nil, func() (Distribution, error) {
		if t.Exponential.CV != 0 {
			return Distribution{}, errors.New("an exponential time has a mean alone: its coefficient of variation is 1")
		}
		return Exponential(time.Duration(t.Exponential.Mean))
	})
	take(t.LogNormal != nil, func() (Distribution, error) { return LogNormal(time.Duration(t.LogNormal.Mean), t.LogNormal.CV) })
	take(t.Gamma != nil, func() (Distribution, error) { return Gamma(time.Duration(t.Gamma.Mean), t.Gamma.CV) })
	take(t.Pareto != nil, func() (Distribution, error) { return Pareto(time.Duration(t.Pareto.Minimum), t.Pareto.Shape) })
	take(t.Empirical != nil, func() (Distribution, error) {
		var q []time.Duration
		for _, d := range t.Empirical {
			q = append(q, time.Duration(d))
		}
		return Empirical(q)
	})
	if set != 1 {
		return Distribution{}, fmt.Errorf("a time is one of constant, exponential, logNormal, gamma, pareto and empirical, not %d of them", set)
	}
	return out, err
}

// Text writes a distribution. Means are rounded to nanoseconds, coefficients of variation and shapes to five digits.
func (d Distribution) Text() Text {
	moments := func() *Moments { return &Moments{Duration(math.Round(d.Mean())), digits(math.Sqrt(d.SquaredCV()))} }
	switch d.family {
	case constant:
		v := Duration(d.a)
		return Text{Constant: &v}
	case exponential:
		return Text{Exponential: &Moments{Mean: Duration(math.Round(d.a))}}
	case logNormal:
		return Text{LogNormal: moments()}
	case gamma:
		return Text{Gamma: moments()}
	case pareto:
		return Text{Pareto: &Tail{Duration(d.a), digits(d.b)}}
	case empirical:
		var out Text
		for _, q := range d.table.quantiles {
			out.Empirical = append(out.Empirical, Duration(q))
		}
		return out
	}
	panic("dist: unknown family")
}

func digits(x float64) float64 { return math.Round(x*1e5) / 1e5 }

// String names the family with its moments.
func (d Distribution) String() string {
	mean := time.Duration(math.Round(math.Min(d.Mean(), float64(Longest)))).Round(time.Microsecond)
	names := map[family]string{
		constant: "constant", exponential: "exponential", logNormal: "log-normal", gamma: "gamma", pareto: "Pareto", empirical: "empirical",
	}
	if d.family == constant {
		return fmt.Sprintf("constant %s", mean)
	}
	return fmt.Sprintf("%s, mean %s, cv %.2f", names[d.family], mean, math.Sqrt(d.SquaredCV()))
}
