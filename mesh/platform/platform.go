// Package platform says what a mesh can stand on. A [Platform] starts deployments: a control plane, an ingress gateway, and the
// workloads of an app with a sidecar each. Those who use one (scenarios, squall up) know nothing of what is behind it.
//
// The platforms are in folders of their own; platformtest is the suite that all of them pass.
package platform

import (
	"context"
	"net"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
)

// Form is what the workloads of a deployment stand on, as people name it after --platform.
type Form string

// The forms.
const (
	// Loopback are plain processes, anywhere.
	Loopback Form = "loopback"
	// Pods are processes in network namespaces, where namespaces can be made (see mesh/netns).
	Pods Form = "pods"
	// Docker are pairs of containers.
	Docker Form = "docker"
	// Kind are pods of a Kubernetes cluster in containers.
	Kind Form = "kind"
)

// Info says what a form can do.
type Info struct {
	Form Form
	// Packets says that packets can get lost between workloads, Names that questions for names can be made to fail.
	Packets, Names bool
	// Foreign says that others run the apps: they cannot be killed, paused, scaled or told what to answer.
	Foreign bool
}

// Info gives a form's abilities.
func (f Form) Info() Info {
	own := f == Pods
	return Info{Form: f, Packets: own, Names: own}
}

// Spec is what to deploy.
type Spec struct {
	// App to run, and the folder of its file.
	App    *config.App
	AppDir string
	// Rules are effective before the deployment counts as started.
	Rules []config.File
	// Relayed are the pairs of workloads between which the network can be broken.
	Relayed []Pair
	// Added is how many instances of a Deployment will be added in all, so that a platform on which they take long to come can be ready.
	Added map[string]int
	// Exact removes Envoy's merge window (profile: exact).
	Exact bool
}

// Platform starts deployments.
type Platform interface {
	Info() Info
	// Start returns when every workload listens, every proxy has its configuration, and the rules are effective. Whatever fails, nothing
	// stays behind but what the platform keeps from one deployment to the next, as its documentation says.
	Start(context.Context, Spec) (Deployment, error)
}

// Deployment is a running mesh.
type Deployment interface {
	Info() Info
	// Instances are the workloads that run, the gateway first.
	Instances() []*Instance
	// Instance finds a workload by its name, or one of a Deployment.
	Instance(name string) (*Instance, bool)
	// GatewayAddress is where loads reach the ingress gateway, by Dial(nil).
	GatewayAddress() string
	// Client talks to the control plane.
	Client() *mesh.Client
	// Collected is what the proxies have reported since the start.
	Collected() *collect.Collector
	// Apply adds rules and waits until they are effective; they come back with a restarted control plane.
	Apply(context.Context, ...config.File) (mesh.ApplyResponse, error)
	// Remember notes rules that a stopped control plane shall have when it is started again.
	Remember(...config.File)
	// Break breaks something under an id, Mend undoes it; seen is the evidence, which either may have.
	Break(ctx context.Context, id string, b Breakage) (seen string, err error)
	Mend(ctx context.Context, id string) (seen string, err error)
	// Dial connects from where a workload is, or, for nil, from where a load on the gateway comes from. A nil Dial: any dialer will do.
	Dial(from *Instance) Dial
	// Reach gives the address to which a workload's app connects when it calls a service by its host and port, over HTTP or plain TCP.
	Reach(ctx context.Context, from *Instance, host string, port uint32, http bool) (string, error)
	// Beyond gives the address of the workload to which a relay's address leads, both with their port; any other address is its own.
	Beyond(address string) string
	// BeyondHost is Beyond for an address without a port.
	BeyondHost(host string) string
	// Ask asks the authority for a certificate of an identity, with what proves who a workload is: nil, or why it has none.
	Ask(ctx context.Context, as *Instance, namespace, serviceAccount string) error
	// Replicas are the instances of a Deployment that run, the oldest first.
	Replicas(owner string) []*Instance
	// Add starts more instances of a Deployment and returns when every proxy sends to them.
	Add(ctx context.Context, owner string, count int) ([]*Instance, error)
	// Withdraw takes instances out of every load balancer and returns when no proxy sends to them any more. They run on until Remove.
	Withdraw(context.Context, []*Instance) error
	Remove(context.Context, []*Instance) error
	// Failed gets an error when something ends that nobody ended on purpose.
	Failed() <-chan error
	Close() error
}

// Dial makes a connection to an IP address with a port.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// PassedPorts are those of a sidecar's own, to which Istio lets everybody (telemetry, health, metrics): no traffic to them is redirected.
func PassedPorts() []uint16 { return []uint16{15020, 15021, 15090} }
