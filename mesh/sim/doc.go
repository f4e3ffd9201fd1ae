// Package sim is the root of the mesh in virtual time. So far there are its parts, and no mesh yet:
//
//   - des is the discrete-event kernel: a clock, the events to come, named random streams;
//   - dist has distributions of service times;
//   - queue has stations at which work waits and is served.
//
// All are pure: no clock, no goroutines, no global random numbers. The same seed gives the same run, event for event. Queues and
// distributions are tested together against the closed formulas of queueing theory, in package queue.
package sim
