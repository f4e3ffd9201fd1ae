package platform

import (
	"time"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
)

// Strain is a short time in which a thread of a workload's app or proxy was ready to run, and had no processor for so long.
type Strain struct {
	// Who is the workload.
	Who      string
	From, To time.Time
	Waited   time.Duration
}

// GatewayName is the ingress gateway's workload, as Istio calls it.
const GatewayName = "istio-ingressgateway"

// Instance is one workload of a deployment.
type Instance struct {
	mesh.Workload
	// Command runs the app; gateways have none.
	Command []string
	// ControlSocket is where the built-in backend takes orders, AdminAddress where the Envoy's admin interface is ("unix:///path").
	ControlSocket, AdminAddress string
	// Connect reaches the two; nil: they are of this machine.
	Connect Dial `json:"-"`
}

// ID is the id of the instance's proxy.
func (i *Instance) ID() string { return mesh.ProxyID(i.Kind, &i.Workload.Workload) }

// Admin is the admin interface of the instance's Envoy.
func (i *Instance) Admin() *envoy.Admin { return envoy.NewAdminThrough(i.Connect, i.AdminAddress) }

// Is tells whether a name means the instance: its own, its Deployment's, or a value of the label app.
func (i *Instance) Is(name string) bool {
	return i.Name == name || i.Owner == name || i.Labels["app"] == name
}

// Find gives the first instance that has a name or is one of a Deployment's.
func Find(list []*Instance, name string) (*Instance, bool) {
	for _, i := range list {
		if i.Name == name || i.Owner == name {
			return i, true
		}
	}
	return nil, false
}

// CanonicalService is the name under which telemetry and traces know the instance.
func (i *Instance) CanonicalService() string {
	return (&model.Workload{Labels: i.Labels, Owner: i.Owner}).CanonicalService()
}
