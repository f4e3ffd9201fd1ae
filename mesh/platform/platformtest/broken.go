package platformtest

import (
	"context"
	"errors"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
)

// Broken is a way in which a platform can be wrong, and the case that must notice.
type Broken struct {
	Name, Case string
	// Break wraps a deployment that is well.
	Break func(platform.Deployment) platform.Deployment
}

// BrokenOnes are platforms that the cases must reject.
func BrokenOnes() []Broken {
	return []Broken{
		{"the app is not there", "started", func(d platform.Deployment) platform.Deployment { return gatewayOnly{d} }},
		{"traffic is not captured", "capture", func(d platform.Deployment) platform.Deployment { return uncaptured{d} }},
		{"telemetry gets lost", "telemetry", func(d platform.Deployment) platform.Deployment { return deaf{d} }},
		{"any identity is signed", "identity", func(d platform.Deployment) platform.Deployment { return credulous{d} }},
		{"no identity is signed", "identity", func(d platform.Deployment) platform.Deployment { return stingy{d} }},
		{"a kill is ignored", "kill", ignoring},
		{"a pause is ignored", "pause", ignoring},
		{"a network fault is ignored", "network", ignoring},
		{"the control plane is not stopped", "control plane", ignoring},
	}
}

// gatewayOnly forgets the app.
type gatewayOnly struct{ platform.Deployment }

func (g gatewayOnly) Instances() []*platform.Instance { return g.Deployment.Instances()[:1] }

// uncaptured sends what apps send straight to the gateway, past their sidecars.
type uncaptured struct{ platform.Deployment }

func (u uncaptured) Dial(*platform.Instance) platform.Dial { return u.Deployment.Dial(nil) }

func (u uncaptured) Reach(context.Context, *platform.Instance, string, uint32, bool) (string, error) {
	return u.GatewayAddress() + ":8080", nil
}

// Collected is as if nothing had been captured before.
func (u uncaptured) Collected() *collect.Collector { return &collect.Collector{} }

// deaf has a collector that nobody reports to.
type deaf struct{ platform.Deployment }

func (deaf) Collected() *collect.Collector { return &collect.Collector{} }

// credulous gives every workload the identity that it asks for, stingy none.
type (
	credulous struct{ platform.Deployment }
	stingy    struct{ platform.Deployment }
)

func (credulous) Ask(context.Context, *platform.Instance, string, string) error { return nil }

func (stingy) Ask(context.Context, *platform.Instance, string, string) error {
	return errors.New("no")
}

// idle says that it breaks things, and does not.
type idle struct{ platform.Deployment }

func ignoring(d platform.Deployment) platform.Deployment { return idle{d} }

func (idle) Break(context.Context, string, platform.Breakage) (string, error) {
	return "it is broken", nil
}

func (idle) Mend(context.Context, string) (string, error) { return "", nil }
