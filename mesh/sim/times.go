package sim

import (
	"time"

	"github.com/squallmesh/squall/mesh/sim/dist"
)

// Times are what takes time besides the work that a scenario states.
type Times struct {
	// Client is the way between a load and the proxy that takes it, one way. Lag is how much later than due a request is sent: without it
	// loads of the same rate would go on in step, and round robin with them, as no load generator does.
	Client time.Duration
	Lag    dist.Distribution
	// Network is the way between two proxies, one way; a connection takes a round trip to open.
	Network time.Duration
	// Local is the way between an app and its sidecar, one way.
	Local time.Duration
	// Hop is what a request needs more between two proxies than the constant times, drawn for each attempt; nil is nothing.
	Hop *dist.Distribution
	// Proxy is what a proxy needs for a request, and again for its answer.
	Proxy time.Duration
	// Work is what an app computes for a request, before its first call or its answer.
	Work dist.Distribution
	// Crossing is what an ejection needs from the worker that saw the failure to the main thread and back.
	Crossing time.Duration
	// Timer is how late a timer of a proxy is: a sweep, a pause before a retry, a delay.
	Timer time.Duration
	// Processors of the machine, which all shares that computes: loads, ways, proxies and apps, but not what sleeps. 0 is as many as are asked
	// for, so that nothing ever waits for one.
	Processors int
	// Demand is for how long processors compute in all for each unit of time that a request waits for a computation: more than 1 where others
	// (logs, traces, a load generator) have work with it, less where some of that time nobody computes. 0 is 1.
	Demand float64
}

// DefaultTimes are round numbers of the size that processes on one idle machine have. They are no measurement of any machine.
func DefaultTimes() Times {
	work, err := dist.LogNormal(300*time.Microsecond, .5)
	if err != nil {
		panic(err)
	}
	lag, err := dist.Exponential(100 * time.Microsecond)
	if err != nil {
		panic(err)
	}
	return Times{
		Lag: lag, Client: 50 * time.Microsecond, Network: 50 * time.Microsecond, Local: 25 * time.Microsecond, Proxy: 100 * time.Microsecond,
		Work: work, Crossing: 100 * time.Microsecond, Timer: 300 * time.Microsecond,
	}
}

// NoTimes is a mesh in which nothing takes time but what apps are told: for comparing with theory.
func NoTimes() Times { return Times{} }
