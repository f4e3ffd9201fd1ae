package pace

import (
	"fmt"
	"math"
	"time"
)

type sine struct {
	mean, amplitude float64 // requests per second
	period, phase   float64 // seconds, radians
	name            string
}

var _ Pacer = sine{}

// NewSine lets the rate swing: mean + amplitude·sin(2π·t/period + phase). The phase is in radians: 0 begins at the mean and
// rises, -π/2 begins at the lowest rate. The amplitude is at most the mean, so that no rate is negative.
//
// The number of requests up to t is Λ(t) = M·t + A·P/2π·(cos φ - cos(2πt/P + φ)). Request n is due at the first nanosecond
// at which Λ reaches n.
func NewSine(mean, amplitude Rate, period time.Duration, phase float64) (Pacer, error) {
	s := sine{
		mean: mean.PerSecond(), amplitude: amplitude.PerSecond(), period: period.Seconds(), phase: phase,
		name: fmt.Sprintf("%s ± %s every %s", mean, amplitude, period),
	}
	switch {
	case period <= 0:
		return nil, fmt.Errorf("a sine needs a period greater than 0, not %s", period)
	case s.amplitude > s.mean:
		return nil, fmt.Errorf("the amplitude of a sine is at most its mean, and %s is more than %s", amplitude, mean)
	case math.IsNaN(phase) || math.IsInf(phase, 0):
		return nil, fmt.Errorf("the phase of a sine is a number of radians, not %v", phase)
	}
	return s, nil
}

func (s sine) angle(t float64) float64 { return 2*math.Pi*t/s.period + s.phase }

// swing is A·P/2π, half of the most by which Λ departs from the mean's.
func (s sine) swing() float64 { return s.amplitude * s.period / (2 * math.Pi) }

// sum is Λ.
func (s sine) sum(t float64) float64 {
	return s.mean*t + s.swing()*(math.Cos(s.phase)-math.Cos(s.angle(t)))
}

func (s sine) Rate(t time.Duration) float64 {
	if t < 0 {
		return 0
	}
	return s.mean + s.amplitude*math.Sin(s.angle(t.Seconds()))
}

func (s sine) Hits(until time.Duration) uint64 {
	return hitsNear(s.Due, s.sum(until.Seconds()), until)
}

func (s sine) Due(n uint64) time.Duration {
	if s.mean == 0 {
		return Never
	}
	// Rounding must not make a request late that is due at a whole nanosecond.
	goal := float64(n) - 1e-9*math.Max(1, float64(n)*1e-3)
	low := max(0, fromSeconds((float64(n)-2*s.swing())/s.mean)-1)
	high := fromSeconds((float64(n)+2*s.swing())/s.mean + 1e-9)
	if n == 0 {
		return 0
	}
	if high == Never {
		return Never
	}
	for low < high {
		middle := low + (high-low)/2
		if s.sum(middle.Seconds()) >= goal {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

func (s sine) String() string { return s.name }
