// Package live runs scenarios on real Envoys, on the wall clock.
//
// Run brings a mesh up, drives the loads, does what the timeline says, waits until everything that
// was sent is accounted for, and hands back a record. It judges nothing.
package live
