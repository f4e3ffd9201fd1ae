package fleet

import (
	"context"
	"net/netip"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/tunnel"
)

// Where things are in a pod.
const (
	// RunDir is a folder of the proxy's container, AppDir one that it shares with the app's.
	RunDir = "/run/squall"
	AppDir = "/run/squall-app"
	// Squall and Envoy are the programs of the image, whose own user of proxies is ProxyUser; apps are AppUser's.
	Squall    = "/usr/local/bin/squall"
	Envoy     = "/usr/local/bin/envoy"
	ProxyUser = 1337
	AppUser   = 1338
	// AppSocket and ProxySocket are where the agents of the two containers take orders.
	AppSocket   = AppDir + "/app.sock"
	ProxySocket = RunDir + "/proxy.sock"
	// APISocket is the control plane's.
	APISocket = RunDir + "/api.sock"
	// TokenFile holds what agents want to hear.
	TokenFile = "/etc/squall/token" //nolint:gosec // the path of one

	adminSocket   = RunDir + "/admin.sock"
	controlSocket = AppDir + "/control.sock"
	envoyDir      = RunDir + "/envoy"
)

// The ports of a pod: where its agent is, and where the control plane takes proxies. Istio's where Istio has one.
const (
	AgentPort        = 15020
	GatewayAgentPort = 15120 // gateway and control plane may share the network of a node
	DiscoveryPort    = 15010
	AuthorityPort    = 15012 // of the certificate service, at the address of discovery
)

// The kinds of pods.
const (
	ControlPlane = "control-plane"
	Gateway      = "gateway"
	Workload     = "workload"
)

// Pod is one to run.
type Pod struct {
	Name, Namespace string
	// Owner is the Deployment of which it would be.
	Owner          string
	ServiceAccount string
	Labels         map[string]string
	// Kind is ControlPlane, Gateway or Workload. The first two have no app, and their traffic is not redirected.
	Kind string
}

// Key is namespace/name.
func (p Pod) Key() string { return p.Namespace + "/" + p.Name }

// Place is where a pod is.
type Place struct {
	// Address is its IP address.
	Address string
	// Agent is the way into it.
	Agent tunnel.Dialer
	// Relays are the addresses at which relays may listen there; none takes OwnRelays.
	Relays netip.Prefix
}

// OwnRelays are those of a pod with a network of its own.
const OwnRelays = "127.18.0.0/16"

// Host runs pods.
type Host interface {
	Info() platform.Info
	// Here is the address at which pods find this machine.
	Here() string
	// Token opens the pods' agents.
	Token() string
	// Discovery is the address of the control plane.
	Discovery() string
	// Gateway is the address at which this machine finds a gateway's pod.
	Gateway(Place) string
	// Services makes the services known by name, and others unknown.
	Services(context.Context, []*model.Service) error
	// Run makes these pods the only ones, and returns when each has an agent that answers, in their order. Pods that are there already
	// may be kept.
	Run(context.Context, []Pod) ([]Place, error)
	// Add runs one more pod, Remove ends one.
	Add(context.Context, Pod) (Place, error)
	Remove(context.Context, Pod) error
	// Explain says what is known of a pod in trouble: events, last lines.
	Explain(context.Context, Pod) string
	// Release gives the host's pods up, for the next lab or for good.
	Release() error
}

// exclusive is a host that one lab has at a time.
type exclusive interface {
	// Lost is closed if another lab may have it now.
	Lost() <-chan struct{}
}
