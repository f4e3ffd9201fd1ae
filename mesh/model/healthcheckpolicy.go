package model

import (
	"time"

	"github.com/squallmesh/squall/mesh/diag"
)

// HealthCheckPolicy says how callers' proxies ask the endpoints of a host whether they are well (Envoy's active health checks).
type HealthCheckPolicy struct {
	Name, Namespace string
	// Host as a full name or a wildcard.
	Host string
	// Check of all ports; nil checks none but those of Ports and Subsets.
	Check *HealthCheck
	// Ports have checks of their own.
	Ports []PortHealthCheck
	// Subsets of the host's DestinationRule have checks of their own.
	Subsets []SubsetHealthCheck
	Pos     diag.Pos
}

// PortHealthCheck is the check of one port.
type PortHealthCheck struct {
	Port  uint32
	Check *HealthCheck
}

// SubsetHealthCheck are the checks of one subset.
type SubsetHealthCheck struct {
	Name  string
	Check *HealthCheck
	Ports []PortHealthCheck
}

// HealthCheck is one kind of question; exactly one of HTTP, GRPC and TCP is set.
type HealthCheck struct {
	// Interval between two checks, and Timeout of one.
	Interval, Timeout time.Duration
	// Unhealthy and Healthy are how many checks in a row change an endpoint's state. The first check of an endpoint decides at once.
	Unhealthy, Healthy uint32
	HTTP               *HTTPHealthCheck
	GRPC               *GRPCHealthCheck
	TCP                *TCPHealthCheck
	Pos                diag.Pos
}

// HTTPHealthCheck sends a request.
type HTTPHealthCheck struct {
	Path string
	// Host of the request; empty is the service's.
	Host string
	// Method; empty is GET.
	Method string
	// Expected are the statuses of who is well; empty is 200.
	Expected []StatusRange
}

// StatusRange is From up to and with To.
type StatusRange struct{ From, To uint32 }

// GRPCHealthCheck asks grpc.health.v1.Health.
type GRPCHealthCheck struct {
	// Service that is asked about; empty is the whole server.
	Service string
	// Authority of the call; empty is the service's host.
	Authority string
}

// TCPHealthCheck connects, and with Send or Receive also talks.
type TCPHealthCheck struct{ Send, Receive string }

// Key is namespace/name.
func (h *HealthCheckPolicy) Key() string { return h.Namespace + "/" + h.Name }

// For gives the check of a port in a subset ("" is the whole host), or nil: that of the subset's port, else the subset's, else the port's, else
// the policy's own.
func (h *HealthCheckPolicy) For(subset string, port uint32) *HealthCheck {
	if h == nil {
		return nil
	}
	if subset != "" {
		for _, s := range h.Subsets {
			if s.Name != subset {
				continue
			}
			if c := portCheck(s.Ports, port); c != nil {
				return c
			}
			if s.Check != nil {
				return s.Check
			}
		}
	}
	if c := portCheck(h.Ports, port); c != nil {
		return c
	}
	return h.Check
}

func portCheck(list []PortHealthCheck, port uint32) *HealthCheck {
	for _, p := range list {
		if p.Port == port {
			return p.Check
		}
	}
	return nil
}

// WithHealthCheckPolicy gives the snapshot with the policy added, or replaced by its key.
func (s Snapshot) WithHealthCheckPolicy(h *HealthCheckPolicy) Snapshot {
	s = s.WithoutHealthCheckPolicy(h.Key())
	s.HealthCheckPolicies = s.HealthCheckPolicies.Set(h.Key(), h)
	s.healthChecks = addRule(s.healthChecks, h.Host, h)
	return s
}

// WithoutHealthCheckPolicy gives the snapshot without the policy.
func (s Snapshot) WithoutHealthCheckPolicy(key string) Snapshot {
	if h := s.HealthCheckPolicies.At(key); h != nil {
		s.HealthCheckPolicies = s.HealthCheckPolicies.Delete(key)
		s.healthChecks = dropRule(s.healthChecks, h.Host, h)
	}
	return s
}

// HealthCheckPolicy finds the policy by which callers of a namespace check a host, or nil: one in the caller's namespace, else in the service's, else
// in the root namespace; names before wildcards. It is the order of DestinationRules.
func (s Snapshot) HealthCheckPolicy(host, namespace string) *HealthCheckPolicy {
	own := namespace
	if svc := s.Services.At(host); svc != nil {
		own = svc.Namespace
	}
	for _, ns := range []string{namespace, own, s.Mesh.RootNamespace} {
		for _, h := range HostPatterns(host) {
			list := s.healthChecks.At(h)
			if list == nil {
				continue
			}
			for _, p := range list.rules {
				if p.Namespace == ns {
					return p
				}
			}
		}
	}
	return nil
}
