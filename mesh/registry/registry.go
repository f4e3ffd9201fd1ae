// Package registry says what a source of services and workloads gives: those that a file describes (static), or those of a cluster (kube).
package registry

import (
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/registry/static"
)

// State is what a source knows at a time. Lists are sorted by namespace and name.
type State struct {
	// Services as documents of Kubernetes.
	Services []config.File
	// Pods that have a sidecar.
	Pods []Pod
	// Bare are pods that ought to have a sidecar and have none, or that stand behind a service of the mesh without one.
	Bare []Pod
}

// Pod is a workload that its source has started.
type Pod struct {
	static.Instance

	// UID tells it from another of its name.
	UID string
	// Address is its IP address.
	Address string
	// Ready says that it may be sent traffic.
	Ready bool
	// Sidecar names what its sidecar is made of.
	Sidecar string
}
