package model

import "github.com/squallmesh/squall/mesh/diag"

// Workload is one running instance of an app: a pod, or a pair of processes.
type Workload struct {
	// Name of the instance: reviews-v1-0. Unique in its namespace.
	Name string
	// Owner is the Deployment's name: reviews-v1. Telemetry calls it the workload.
	Owner string
	// Namespace of the instance.
	Namespace string
	// ServiceAccount is the identity it runs as.
	ServiceAccount string
	// Labels of the pod.
	Labels map[string]string
	// Locality of the pod or its node.
	Locality Locality
	// Address is the instance's own IP address, from which its sidecar calls others.
	Address string
	// Inbound lists the ports that its sidecar accepts, by service.
	Inbound []Inbound
	// Outbound lists the loopback listeners through which it reaches TCP services (capture: proxy).
	Outbound []OutboundTCP
	// ProxyPort is where the sidecar takes HTTP proxy requests (capture: proxy); 0 without.
	ProxyPort uint32
	// Relays gives, for addresses of endpoints, the address to dial in their place: a relay carries what goes there, so that
	// the network between the two can be broken. Ports stay the same.
	Relays map[string]string
	// NotReady keeps the workload out of all endpoints; its proxy has its configuration all the same.
	NotReady bool
	// Gateway says that the workload is a gateway's proxy and nothing else.
	Gateway bool
	// Pos is where the Deployment is declared.
	Pos diag.Pos
}

// Key is namespace/name.
func (w *Workload) Key() string { return w.Namespace + "/" + w.Name }

// CanonicalService is the name under which telemetry and traces know the workload.
func (w *Workload) CanonicalService() string {
	for _, label := range []string{"service.istio.io/canonical-name", "app.kubernetes.io/name", "app"} {
		if v := w.Labels[label]; v != "" {
			return v
		}
	}
	return w.Owner
}

// Inbound is one port that a sidecar accepts for its app.
type Inbound struct {
	// Host and Port are the service's name and number, for names of clusters and metrics.
	Host string
	Port uint32
	// Protocol of the port.
	Protocol Protocol
	// Listen is where the sidecar accepts (capture: proxy), as host:port.
	Listen Socket
	// App is where the app itself listens.
	App Socket
}

// OutboundTCP is a loopback listener for one TCP service.
type OutboundTCP struct {
	Host   string
	Port   uint32
	Listen Socket
}

// Socket is an IP address and a port.
type Socket struct {
	Address string
	Port    uint32
}

// ProxyKind tells sidecars from gateways.
type ProxyKind string

// The kinds of proxies.
const (
	Sidecar ProxyKind = "sidecar"
	Router  ProxyKind = "router"
)

// Capture is how traffic reaches a sidecar.
type Capture string

// CaptureRedirect: the kernel hands every connection to the sidecar. CaptureProxy: the app asks the sidecar, as
// an HTTP proxy, and listens on an address of its own.
const (
	CaptureRedirect Capture = "redirect"
	CaptureProxy    Capture = "proxy"
)

// Proxy is one Envoy that is to be configured.
type Proxy struct {
	// ID is Envoy's node id: sidecar~default/reviews-v1-0.
	ID string
	// Kind of the proxy.
	Kind ProxyKind
	// Workload beside which it stands, or which it is (a gateway).
	Workload *Workload
}
