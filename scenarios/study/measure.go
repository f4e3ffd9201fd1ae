package study

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// Sample is what one run gave: figures by name, in the order of their names.
type Sample struct {
	Pass    bool
	Names   []string
	Figures []float64
}

// Measure takes the figures of a run: for each load the share of answers below 500 in per cent, and latencies in seconds.
func Measure(run *record.Run) Sample {
	out := Sample{Pass: run.Verdict == record.Pass}
	byLoad := map[string][]time.Duration{}
	good := map[string]int{}
	for i := range run.Results {
		res := &run.Results[i]
		if res.Scheduled.Before(run.Start) {
			continue // the warm-up
		}
		byLoad[res.Load] = append(byLoad[res.Load], res.End.Sub(res.Scheduled))
		if res.Succeeded() {
			good[res.Load]++
		}
	}
	for _, l := range run.Loads {
		times := byLoad[l.Name]
		if len(times) == 0 {
			continue
		}
		slices.Sort(times)
		quantile := func(q float64) float64 { return times[min(len(times)-1, int(q*float64(len(times))))].Seconds() }
		add := func(name string, v float64) {
			out.Names, out.Figures = append(out.Names, l.Name+" "+name), append(out.Figures, v)
		}
		add("success %", 100*float64(good[l.Name])/float64(len(times)))
		add("p50 s", quantile(.5))
		add("p99 s", quantile(.99))
	}
	return out
}

// Estimate is a mean over runs with its 95 % interval: Mean ± Half.
type Estimate struct{ Mean, Half float64 }

// String gives it with as many digits as the interval has a use for.
func (e Estimate) String() string {
	return fmt.Sprintf("%.4g ±%.2g", e.Mean, e.Half)
}

// student is Student's t at 97.5 % for n-1 degrees of freedom, for n from 2; from 31 on the normal distribution's is near enough.
var student = []float64{
	12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
	2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045,
}

// Mean estimates the mean of independent values. Of one value nothing is known: Half is infinite.
func Mean(values []float64) Estimate {
	n := float64(len(values))
	if n < 2 {
		return Estimate{sum(values), math.Inf(1)}
	}
	mean := sum(values) / n
	squares := 0.
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	t := 1.96
	if len(values)-2 < len(student) {
		t = student[len(values)-2]
	}
	return Estimate{mean, t * math.Sqrt(squares/(n-1)/n)}
}

func sum(values []float64) (out float64) {
	for _, v := range values {
		out += v
	}
	return out
}

// Settled tells whether all figures of some runs are known well enough: the interval is no wider than a share of the mean, or than a
// thousandth of the unit.
func Settled(samples []Sample, precision float64) bool {
	for _, e := range Estimates(samples) {
		if e.Half > max(precision*math.Abs(e.Mean), .001) {
			return false
		}
	}
	return true
}

// Estimates gives each figure of some runs.
func Estimates(samples []Sample) []Estimate {
	if len(samples) == 0 {
		return nil
	}
	out := make([]Estimate, len(samples[0].Figures))
	for i := range out {
		var values []float64
		for _, s := range samples {
			values = append(values, s.Figures[i])
		}
		out[i] = Mean(values)
	}
	return out
}

// Passed counts the runs that passed.
func Passed(samples []Sample) (n int) {
	for _, s := range samples {
		if s.Pass {
			n++
		}
	}
	return n
}

// ErrEnds is wrapped where the ends of a range do not differ.
var ErrEnds = errors.New("nothing changes between the two ends of the range")

// Bisect looks for where a condition that holds at one end of a range, and not at the other, changes. holds is asked at most steps times after
// the two ends. It gives the last place at which it held and the first at which it did not; whether low or high is the good end is what it
// finds. The error says that the ends do not differ.
func Bisect(low, high float64, steps int, same func(a, b float64) bool, holds func(float64) (bool, error)) (good, bad float64, err error) {
	atLow, err := holds(low)
	if err != nil {
		return 0, 0, err
	}
	atHigh, err := holds(high)
	if err != nil {
		return 0, 0, err
	}
	if atLow == atHigh {
		word := "do not pass"
		if atLow {
			word = "pass"
		}
		return 0, 0, fmt.Errorf("%w: the checks %s at either", ErrEnds, word)
	}
	good, bad = low, high
	if atHigh {
		good, bad = high, low
	}
	for range steps {
		middle := (good + bad) / 2
		if same(middle, good) || same(middle, bad) {
			break
		}
		ok, err := holds(middle)
		if err != nil {
			return good, bad, err
		}
		if ok {
			good = middle
		} else {
			bad = middle
		}
	}
	return good, bad, nil
}
