package model

import (
	"cmp"
	"slices"

	"github.com/squallmesh/squall/mesh/diag"
)

// EnvoyFilter changes what proxies are told, after all other rules.
type EnvoyFilter struct {
	Name, Namespace string
	// Selector picks workloads of the namespace; empty all of it. In the root namespace it picks workloads of all namespaces.
	Selector map[string]string
	// Priority: filters are applied in ascending order of it, then of their names. The root namespace's come first.
	Priority int32
	Patches  []*EnvoyPatch
	Pos      diag.Pos
}

// PatchTarget is what a patch applies to; the names are Istio's.
type PatchTarget string

// The targets.
const (
	PatchListener      PatchTarget = "LISTENER"
	PatchFilterChain   PatchTarget = "FILTER_CHAIN"
	PatchNetworkFilter PatchTarget = "NETWORK_FILTER"
	PatchHTTPFilter    PatchTarget = "HTTP_FILTER"
	PatchRouteTable    PatchTarget = "ROUTE_CONFIGURATION"
	PatchVirtualHost   PatchTarget = "VIRTUAL_HOST"
	PatchHTTPRoute     PatchTarget = "HTTP_ROUTE"
	PatchCluster       PatchTarget = "CLUSTER"
)

// PatchOperation is what a patch does; the names are Istio's.
type PatchOperation string

// The operations.
const (
	PatchMerge        PatchOperation = "MERGE"
	PatchAdd          PatchOperation = "ADD"
	PatchRemove       PatchOperation = "REMOVE"
	PatchReplace      PatchOperation = "REPLACE"
	PatchInsertFirst  PatchOperation = "INSERT_FIRST"
	PatchInsertBefore PatchOperation = "INSERT_BEFORE"
	PatchInsertAfter  PatchOperation = "INSERT_AFTER"
)

// PatchContext is the side of which proxies a patch is for.
type PatchContext string

// The contexts.
const (
	PatchAny      PatchContext = "ANY"
	PatchInbound  PatchContext = "SIDECAR_INBOUND"
	PatchOutbound PatchContext = "SIDECAR_OUTBOUND"
	PatchGateway  PatchContext = "GATEWAY"
)

// EnvoyPatch is one change. Of a match, empty fields match everything.
type EnvoyPatch struct {
	Target    PatchTarget
	Operation PatchOperation
	Context   PatchContext
	Listener  ListenerMatch
	Routes    RouteTableMatch
	Cluster   ClusterMatch
	// Value is a message of Envoy's API on the wire, of the target's type; empty for REMOVE.
	Value string
	Pos   diag.Pos
}

// ListenerMatch picks listeners, their filter chains and filters.
type ListenerMatch struct {
	Name string
	// Port is the listener's, or where one listener serves all ports, the filter chain's.
	Port uint32
	// Chain is a filter chain's name; SNI, Transport, Protocol and ChainPort are parts of what it takes.
	Chain, SNI, Transport string
	Protocols             []string
	ChainPort             uint32
	// Filter is a network filter's name, HTTPFilter that of one of its HTTP filters.
	Filter, HTTPFilter string
}

// RouteTableMatch picks route configurations, their virtual hosts and routes.
type RouteTableMatch struct {
	Name string
	// Port of the listener, or of the service.
	Port uint32
	// Host is a virtual host's name, Domain one of its domains.
	Host, Domain string
	// Route is a route's name, Action what it does: ROUTE, REDIRECT, DIRECT_RESPONSE; empty is any.
	Route, Action string
}

// ClusterMatch picks clusters.
type ClusterMatch struct {
	Name string
	Port uint32
	// Service is a host, Subset one of its subsets.
	Service, Subset string
}

// Key is namespace/name.
func (f *EnvoyFilter) Key() string { return f.Namespace + "/" + f.Name }

// WithEnvoyFilter gives the snapshot with the filter added, or replaced by its key.
func (s Snapshot) WithEnvoyFilter(f *EnvoyFilter) Snapshot {
	s = s.WithoutEnvoyFilter(f.Key())
	s.EnvoyFilters = s.EnvoyFilters.Set(f.Key(), f)
	s.patches = addRule(s.patches, f.Namespace, f)
	return s
}

// WithoutEnvoyFilter gives the snapshot without the filter.
func (s Snapshot) WithoutEnvoyFilter(key string) Snapshot {
	if f := s.EnvoyFilters.At(key); f != nil {
		s.EnvoyFilters = s.EnvoyFilters.Delete(key)
		s.patches = dropRule(s.patches, f.Namespace, f)
	}
	return s
}

// EnvoyFiltersOf gives the filters that are written in a namespace.
func (s Snapshot) EnvoyFiltersOf(namespace string) []*EnvoyFilter {
	if list := s.patches.At(namespace); list != nil {
		return list.rules
	}
	return nil
}

// Patches gives those for a workload's proxy, in the order in which they are applied. Source: Istio's EnvoyFilter, whose second key, the time of
// creation, files do not have.
func (s Snapshot) Patches(namespace string, labels map[string]string) []*EnvoyPatch {
	if s.Mesh == nil || s.EnvoyFilters.Len() == 0 {
		return nil
	}
	filters := selecting(s, s.patches, namespace, func(f *EnvoyFilter) bool { return Labels(labels, f.Selector) })
	root := func(f *EnvoyFilter) int {
		if f.Namespace == s.Mesh.RootNamespace {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(filters, func(a, b *EnvoyFilter) int {
		return cmp.Or(cmp.Compare(root(a), root(b)), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Name, b.Name))
	})
	var out []*EnvoyPatch
	for _, f := range filters {
		out = append(out, f.Patches...)
	}
	return out
}
