package model

// LeasedFault is a fault of a scenario: the rule stands in the routes, switched off, and a
// runtime layer with a time to live arms it. It is on top of the faults that rules themselves
// contain.
type LeasedFault struct {
	// ID names the lease: a layer of Envoy's runtime, lease-<Slot>.
	ID   string
	Slot int
	// Host is the service whose callers are hit.
	Host string
	// From picks the callers by their labels; empty is all, gateways included.
	From map[string]string
	// Headers that a request must have.
	Headers []NamedMatch
	Delay   *Delay
	Abort   *Abort
	// Armed is whether the lease runs.
	Armed bool
}

// LeasedFaults are all of one host, in the order of their slots.
type LeasedFaults struct{ List []*LeasedFault }

// LeaseSlots is how many leases may run at once: one layer of Envoy's runtime each.
const LeaseSlots = 16
