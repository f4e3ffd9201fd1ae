// Package assert judges records: one file per kind of check, each pure over the record.
//
// A check without the evidence that it needs is inconclusive, never passed: a load without
// requests, a counter that nobody could read, a zero on a cluster without traffic, a fault that
// left no trace, too few samples for the error rates that the check declares.
//
// Checks with declared error rates (split, rate, quantile, compare, amplification) take their
// samples from the record here and leave the decision to package stat. Running is a sequential
// one while its load goes on.
package assert
