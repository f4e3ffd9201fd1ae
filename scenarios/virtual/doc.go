// Package virtual runs a scenario in virtual time: the same plan, rules and checks as package live, on a simulated mesh (mesh/sim) in place
// of real Envoys. A run is a pure function of its files and its seed.
//
// What the simulator does not model is refused before the run, at its line: see [Refused].
package virtual
