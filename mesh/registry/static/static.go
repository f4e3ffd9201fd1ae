// Package static knows which workloads stand behind which services, from labels alone: the registry of apps that are
// described by files.
package static

import (
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// Instance is one copy of an app that is to run: one replica of a Deployment.
type Instance struct {
	// Name of the instance: reviews-v1-0. Unique in its namespace.
	Name string
	// Owner is the Deployment's name.
	Owner          string
	Namespace      string
	ServiceAccount string
	// Gateway says that the pod is a gateway's proxy and nothing else.
	Gateway bool
	// Labels of the pod.
	Labels   map[string]string
	Locality model.Locality
	// ContainerPorts are the ports on which the app listens, in the order of their declaration.
	ContainerPorts []ContainerPort
	// Env holds the app's variables.
	Env map[string]string
	// CertificateTTL is how long certificates of the pod live; 0 leaves it to the authority.
	CertificateTTL time.Duration
	// Pos is where the Deployment is declared.
	Pos diag.Pos
}

// Key is namespace/name.
func (i Instance) Key() string { return i.Namespace + "/" + i.Name }

// ContainerPort is a port on which an app listens. Name may be empty.
type ContainerPort struct {
	Name   string
	Number uint32
}

// Inbound gives the ports that a sidecar accepts for an instance: each port of each service that selects it, by host and
// port. App.Port is where the app listens: the port's target, a name looked up among the container ports; a name that the
// instance does not have leaves the port out. Addresses, and Listen as a whole, are left to the platform.
func Inbound(inst Instance, services []*model.Service) []model.Inbound {
	var out []model.Inbound
	for _, s := range services {
		if !selects(s, inst.Namespace, inst.Labels) {
			continue
		}
		for _, p := range s.Ports {
			if target, ok := target(p, inst.ContainerPorts); ok {
				out = append(out, model.Inbound{Host: s.Host, Port: p.Number, Protocol: p.Protocol, App: model.Socket{Port: target}})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b model.Inbound) int {
		if c := strings.Compare(a.Host, b.Host); c != 0 {
			return c
		}
		return int(a.Port) - int(b.Port)
	})
	return out
}

func target(p model.Port, ports []ContainerPort) (uint32, bool) {
	switch {
	case p.TargetName != "":
		i := slices.IndexFunc(ports, func(c ContainerPort) bool { return c.Name == p.TargetName })
		if i < 0 {
			return 0, false
		}
		return ports[i].Number, true
	case p.Target != 0:
		return p.Target, true
	}
	return p.Number, true
}

func selects(s *model.Service, namespace string, labels map[string]string) bool {
	return len(s.Selector) > 0 && s.Namespace == namespace && model.Labels(labels, s.Selector)
}

// Endpoints gives the places of each service that has a selector, in the order of the services; the endpoints of one in the
// order of the workloads' keys. A service that nobody stands behind has an empty list. Where a workload's Inbound names a
// listener (capture: proxy), callers dial that; otherwise (capture: redirect) the workload's address and the app's port.
func Endpoints(services []*model.Service, workloads []*model.Workload) []*model.Endpoints {
	sorted := slices.Clone(workloads)
	slices.SortStableFunc(sorted, func(a, b *model.Workload) int { return strings.Compare(a.Key(), b.Key()) })
	byHost := map[string][]*model.Workload{} // those that accept for a host
	for _, w := range sorted {
		last := ""
		for _, in := range w.Inbound {
			if in.Host != last && !slices.Contains(byHost[in.Host], w) {
				byHost[in.Host] = append(byHost[in.Host], w)
			}
			last = in.Host
		}
	}
	out := make([]*model.Endpoints, 0, len(services))
	for _, s := range services {
		if len(s.Selector) == 0 {
			continue
		}
		e := &model.Endpoints{Host: s.Host}
		for _, w := range byHost[s.Host] {
			if !w.NotReady && selects(s, w.Namespace, w.Labels) {
				e.List = append(e.List, endpoints(s, w)...)
			}
		}
		out = append(out, e)
	}
	return out
}

// endpoints gives a workload's endpoints of one service: one, unless its ports are accepted on several addresses.
func endpoints(s *model.Service, w *model.Workload) []model.Endpoint {
	var out []model.Endpoint
	for _, in := range w.Inbound {
		if in.Host != s.Host {
			continue
		}
		if _, ok := s.Port(in.Port); !ok {
			continue
		}
		at := in.Listen
		if at == (model.Socket{}) {
			at = model.Socket{Address: w.Address, Port: in.App.Port}
		}
		i := slices.IndexFunc(out, func(e model.Endpoint) bool { return e.Address == at.Address })
		if i < 0 {
			i = len(out)
			out = append(out, model.Endpoint{
				Workload: w.Key(), Address: at.Address, Ports: map[uint32]uint32{}, Labels: w.Labels, Locality: w.Locality, Gateway: w.Gateway,
			})
		}
		out[i].Ports[in.Port] = at.Port
	}
	return out
}
