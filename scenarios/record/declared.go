package record

import "github.com/squallmesh/squall/scenarios/stat"

// Test is what a check with declared error rates did.
type Test struct {
	// Errors are the rates in force.
	Errors stat.Errors `json:"errors"`
	// Needed is the sample that the rates ask for, of each side if it compares; 0 if no sample is enough.
	Needed int `json:"needed"`
	// DecidedAt is how many samples a sequential test took to decide; 0 if it did not, or is not sequential.
	DecidedAt int `json:"decidedAt,omitempty"`
	// Intervals hold what was measured; each bound of each is wrong with at most the chance Errors.FalsePass.
	Intervals []Interval `json:"intervals,omitempty"`
}

// Interval is a measured number with bounds.
type Interval struct {
	Of string `json:"of"`
	// Unit is % (of a share), points (of a difference of shares), s, times or attempts.
	Unit string `json:"unit"`
	// Value was measured; nil if there is none. Low and High are nil where the samples give no bound.
	Value *float64 `json:"value,omitempty"`
	Low   *float64 `json:"low,omitempty"`
	High  *float64 `json:"high,omitempty"`
}

// Errors sums up the declared error rates of a run's checks, and counts them. The chance that any of them is wrong is at most the sum.
func (r *Run) Errors() (sum stat.Errors, checks int) {
	for _, c := range r.Checks {
		if c.Test == nil {
			continue
		}
		checks++
		sum.FalsePass += c.Test.Errors.FalsePass
		sum.FalseFail += c.Test.Errors.FalseFail
		sum.FalseInconclusive += c.Test.Errors.FalseInconclusive
	}
	return sum, checks
}
