package agent

import (
	"io"
	"time"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/tunnel"
)

// ReadyPath is where the agent's port tells a cluster, without a token, whether its Envoy takes traffic: 200 or 503.
const ReadyPath = tunnel.ReadyPath

// Options of an agent.
type Options struct {
	// Socket is the path at which it takes orders.
	Socket string
	// Tunnel is where it serves the way into the pod, host:port; empty does not. Token is what clients must know.
	Tunnel, Token string
	// DNS answers for the names of the services that the control plane at the socket API knows, at this address, host:port; empty does not.
	DNS, API string
	// Alone is how long the agent lives without being asked for anything; 0 is for ever.
	Alone time.Duration
	// Env is what its process gets besides its own variables.
	Env []string
	// Log takes what the process writes.
	Log io.Writer
}

// Spec is what to run: a command, or an Envoy.
type Spec struct {
	// Name of the process in messages.
	Name    string
	Command []string          `json:",omitempty"`
	Env     map[string]string `json:",omitempty"`
	Envoy   *Envoy            `json:",omitempty"`
	// Files are written before it starts, for its user alone: texts by their paths.
	Files map[string]string `json:",omitempty"`
}

// Envoy is how to run one.
type Envoy struct {
	// Path of the program, and a folder of its own.
	Path, Dir string
	Bootstrap envoy.BootstrapOptions
	// Identity is its workload's; nil is none. The agent adds it to the bootstrap.
	Identity *Identity `json:",omitempty"`
	// DrainTime is that of envoy.Options.
	DrainTime time.Duration `json:",omitempty"`
}

// The actions that a process may be asked for. Start is for one that was killed or stopped.
const (
	Kill   = "kill"
	Stop   = "stop"
	Pause  = "pause"
	Resume = "resume"
	Start  = "start"
)

// Status is how the process fares.
type Status struct {
	// State is gone, running or stopped, as the kernel sees it.
	State string
	// Ended says why it ended, if nobody asked for that.
	Ended string `json:",omitempty"`
	// Log are its last lines.
	Log []string `json:",omitempty"`
}

// Relay is a way to another workload that can be broken.
type Relay struct {
	// Listen is where callers connect, Upstream where the relay leads.
	Listen, Upstream string
}

// Met counts what a relay saw.
type Met struct{ Passed, Resets uint64 }
