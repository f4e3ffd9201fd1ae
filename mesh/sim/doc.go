// Package sim is a mesh in virtual time: proxies that do what Envoy does under the rules of a snapshot of mesh/model, apps behind them, loads
// before them.
//
// A [Mesh] is told its rules (Apply), its apps (SetApp) and its loads (AddLoad), and runs; what it did comes as visits of loads, logs and
// spans of proxies, and counters under Envoy's names. What of a snapshot it does not do, [Unmodelled] lists.
//
// Below it:
//
//   - des is the discrete-event kernel: a clock, the events to come, named random streams;
//   - dist has distributions of service times;
//   - queue has stations at which work waits and is served.
//
// All are pure: no clock, no goroutines, no global random numbers. The same seed gives the same run, event for event. Queues,
// breakers, retries and weights are tested against the closed formulas of theory.
package sim
