package platform

import "github.com/squallmesh/squall/mesh/relay"

// Breakage is one thing to break; exactly one of its kinds is set.
type Breakage struct {
	// Kill and Pause are processes of a workload, which come back when it is mended.
	Kill, Pause *Processes `json:",omitempty"`
	// ControlPlane stops the control plane.
	ControlPlane bool `json:",omitempty"`
	// Network is a fault between workloads that relays join.
	Network *NetworkFault `json:",omitempty"`
	// DNS makes questions for names fail (Info.Names).
	DNS bool `json:",omitempty"`
}

// Processes are those of a workload.
type Processes struct {
	// Workload is an instance or a Deployment.
	Workload string
	// Target says which; empty is App.
	Target Target
}

// Which gives the target, or its default.
func (p *Processes) Which() Target {
	if p.Target == "" {
		return App
	}
	return p.Target
}

// Target says which processes of a workload are meant.
type Target string

// The targets of process faults.
const (
	App     Target = "app"
	Sidecar Target = "sidecar"
	Both    Target = "both"
)

// NetworkFault is a fault between the workloads of a pair.
type NetworkFault struct {
	Pair  Pair
	Fault relay.Fault
	// Loss drops so many of the packets, in per cent, in place of what a relay can do; 0 does not (Info.Packets).
	Loss float64 `json:",omitempty"`
}

// Pair names two ends of the network: a Deployment, an instance or a value of the label app; a gateway is GatewayName.
// An empty From is everybody.
type Pair struct{ From, To string }

// Joins tells whether the pair means a caller and whom it calls.
func (p Pair) Joins(caller, called *Instance) bool {
	return caller != called && (p.From == "" || caller.Is(p.From)) && called.Is(p.To)
}

// String is the pair in words.
func (p Pair) String() string {
	if p.From == "" {
		return "everybody and " + p.To
	}
	return p.From + " and " + p.To
}
