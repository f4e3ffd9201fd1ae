// Package assert judges records: one file per kind of check, each pure over the record.
//
// A check without the evidence that it needs is inconclusive, never passed: a load without
// requests, a counter that nobody could read, a zero on a cluster without traffic, a fault that
// left no trace.
package assert
