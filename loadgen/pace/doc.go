// Package pace says when requests are due. A [Pacer] is a pure function of time: it has no clock, so the same schedule is
// driven in real time by package loadgen and in virtual time by a simulator, and either can be checked by hand.
//
// Random schedules and all else that is random about a load come from a [Stream], which has a seed and a name, so that the
// order in which goroutines run cannot change it.
package pace
