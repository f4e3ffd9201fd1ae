package reports

import (
	"fmt"

	"github.com/squallmesh/squall/scenarios/record"
)

// Declared is what the checks with declared error rates declare together. The chance that any of them errs is at most the sum.
type Declared struct {
	// Checks is how many they are.
	Checks            int     `json:"checks"`
	FalsePass         float64 `json:"falsePass"`
	FalseFail         float64 `json:"falseFail"`
	FalseInconclusive float64 `json:"falseInconclusive"`
}

// declaredOf sums up; nil if no check declares any.
func declaredOf(r *record.Run) *Declared {
	sum, n := r.Errors()
	if n == 0 {
		return nil
	}
	return &Declared{n, sum.FalsePass, sum.FalseFail, sum.FalseInconclusive}
}

// String is a sentence.
func (d *Declared) String() string {
	return fmt.Sprintf("Declared error rates of %s in all: false pass %.3g, false fail %.3g, false inconclusive %.3g.",
		count(d.Checks, "check"), d.FalsePass, d.FalseFail, d.FalseInconclusive)
}
