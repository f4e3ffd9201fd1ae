package model

import (
	"strings"

	"github.com/squallmesh/squall/mesh/diag"
)

// Protocol is what a port speaks.
type Protocol string

// The protocols of a port. Anything unknown is TCP.
const (
	HTTP  Protocol = "HTTP"
	HTTP2 Protocol = "HTTP2"
	GRPC  Protocol = "GRPC"
	HTTPS Protocol = "HTTPS"
	TLS   Protocol = "TLS"
	TCP   Protocol = "TCP"
	UDP   Protocol = "UDP"
)

// IsHTTP reports whether Envoy can read the requests of this protocol.
func (p Protocol) IsHTTP() bool { return p == HTTP || p == HTTP2 || p == GRPC }

// IsHTTP2 reports whether connections of this protocol carry many requests at once.
func (p Protocol) IsHTTP2() bool { return p == HTTP2 || p == GRPC }

// ParseProtocol reads a port's protocol from its appProtocol or, if that is empty, from its
// name's first part (http-web), as Istio does.
func ParseProtocol(appProtocol, name string) Protocol {
	word := appProtocol
	if word == "" {
		word, _, _ = strings.Cut(name, "-")
	}
	switch strings.ToLower(word) {
	case "http":
		return HTTP
	case "http2", "h2c", "kubernetes.io/h2c":
		return HTTP2
	case "grpc", "grpc-web":
		return GRPC
	case "https":
		return HTTPS
	case "tls":
		return TLS
	case "udp":
		return UDP
	}
	return TCP
}

// Port is a port of a service.
type Port struct {
	// Name as in the Service: http.
	Name string
	// Number is the port that callers use.
	Number uint32
	// Protocol says how traffic on it is handled.
	Protocol Protocol
	// Target is the number on which the app listens, TargetName the name of that port among the app's own. At most one is set;
	// without either it is Number.
	Target     uint32
	TargetName string
	// Pos is where the port is declared.
	Pos diag.Pos
}

// Resolution is how the endpoints of a service are found.
type Resolution string

// How endpoints are found: given one by one, by DNS, or taken from the caller's own address.
const (
	Static Resolution = "STATIC"
	DNS    Resolution = "DNS"
	None   Resolution = "NONE"
)

// Service is a name that callers use.
type Service struct {
	// Host is the full name: reviews.default.svc.cluster.local.
	Host string
	// Name and Namespace are the short name's parts; Name is empty for a host outside.
	Name, Namespace string
	// Address is the service's own address; empty where there is none.
	Address string
	// Ports in the order of their declaration.
	Ports []Port
	// Resolution of the endpoints. Never empty.
	Resolution Resolution
	// External marks a host outside the mesh (location MESH_EXTERNAL).
	External bool
	// ExportTo lists the namespaces that see the service: "*" or empty all, "." its own.
	ExportTo []string
	// Selector is the label selector of its pods; empty for hosts outside.
	Selector map[string]string
	// Pos is where the service is declared.
	Pos diag.Pos
}

// Port finds a port by its number.
func (s *Service) Port(number uint32) (Port, bool) {
	for _, p := range s.Ports {
		if p.Number == number {
			return p, true
		}
	}
	return Port{}, false
}

// VisibleFrom reports whether a workload of the namespace may use the service.
func (s *Service) VisibleFrom(namespace string) bool {
	return exported(s.ExportTo, s.Namespace, namespace)
}

func exported(exportTo []string, own, from string) bool {
	if len(exportTo) == 0 {
		return true
	}
	for _, e := range exportTo {
		if e == "*" || e == from || e == "." && own == from {
			return true
		}
	}
	return false
}

// Health is what a registry says of an endpoint.
type Health string

// The states of an endpoint. The empty state is healthy.
const (
	Healthy   Health = ""
	Unhealthy Health = "unhealthy"
	Draining  Health = "draining"
)

// Locality is where a workload runs. Any part may be empty.
type Locality struct{ Region, Zone, SubZone string }

// String gives region/zone/subzone without empty tails.
func (l Locality) String() string {
	return strings.TrimRight(l.Region+"/"+l.Zone+"/"+l.SubZone, "/")
}

// ParseLocality reads region/zone/subzone; the dotted form of Istio's label counts too.
func ParseLocality(s string) Locality {
	if !strings.Contains(s, "/") {
		s = strings.ReplaceAll(s, ".", "/")
	}
	parts := append(strings.SplitN(s, "/", 3), "", "")
	return Locality{parts[0], parts[1], parts[2]}
}

// Endpoint is one place where a service answers.
type Endpoint struct {
	// Workload is the namespace/name of the instance; empty outside the mesh.
	Workload string
	// Gateway says that a gateway's proxy answers, which takes mTLS only where a server of it says so.
	Gateway bool
	// Address is an IP address, or a DNS name where the service's resolution is DNS.
	Address string
	// Ports maps the service's port numbers to the numbers to dial at Address.
	Ports map[uint32]uint32
	// Labels pick the subset.
	Labels map[string]string
	// Locality for failover and weights.
	Locality Locality
	// Weight in load balancing; 0 means 1.
	Weight uint32
	// Health as its registry sees it.
	Health Health
}

// Endpoints are all places of one service, in a stable order.
type Endpoints struct {
	Host string
	List []Endpoint
}

// Labels reports whether have holds every pair of want.
func Labels(have, want map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}
