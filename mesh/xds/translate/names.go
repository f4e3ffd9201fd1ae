package translate

import (
	"fmt"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// Names of clusters, listeners and routes follow Istio's, so that users' queries carry over.

// OutboundCluster names the cluster of a service's port and subset: outbound|9080|v1|reviews.default.svc.cluster.local.
func OutboundCluster(port uint32, subset, host string) string {
	return fmt.Sprintf("outbound|%d|%s|%s", port, subset, host)
}

// InboundCluster names the cluster that leads to the sidecar's own app: inbound|9080||.
func InboundCluster(port uint32) string { return fmt.Sprintf("inbound|%d||", port) }

// ParseCluster takes a cluster's name apart.
func ParseCluster(name string) (direction string, port uint32, subset, host string, ok bool) {
	parts := strings.Split(name, "|")
	if len(parts) != 4 {
		return "", 0, "", "", false
	}
	if _, err := fmt.Sscanf(parts[1], "%d", &port); err != nil {
		return "", 0, "", "", false
	}
	return parts[0], port, parts[2], parts[3], true
}

// BlackHoleCluster and its virtual host refuse what no service stands for.
const (
	BlackHoleCluster   = "BlackHoleCluster"
	PassthroughCluster = "PassthroughCluster"
	// InboundPassthroughCluster leads to ports of the app that no service names.
	InboundPassthroughCluster = "InboundPassthroughCluster" //nolint:gosec // no password
	// HTTPProxyTable is the route table of a sidecar that its app uses as an HTTP proxy.
	HTTPProxyTable = "http_proxy"
	// ConnectListener takes the tunnels to ports that speak HTTP; its name begins those of all tunnels' clusters.
	ConnectListener = "connect"
	// FaultFilter carries the faults of rules.
	FaultFilter = "envoy.filters.http.fault"
	// LeaseFilters is how many faults of scenarios may stand on one route at once.
	LeaseFilters = 8
)

// LeaseFilter names the i-th filter for faults of scenarios.
func LeaseFilter(i int) string { return fmt.Sprintf("squall.lease.%d", i) }

// LeaseLayer names the runtime layer of a lease.
func LeaseLayer(slot int) string { return fmt.Sprintf("lease-%d", slot) }

// statName is the alternative name under which a cluster or a connection manager counts: Istio ends it
// with a semicolon, so that names with dots come out whole.
func statName(name string) string { return name + ";" }

// operation names the spans of requests to a host: host:port/*.
func operation(host string, port uint32) string { return fmt.Sprintf("%s:%d/*", host, port) }

// domains lists the names under which callers of a namespace reach a host: short names for services of
// the cluster, with and without the port. portless is for tables in which the port needs no mention.
func domains(svc *model.Service, host, domain, namespace string, port uint32, portless, bare bool) []string {
	names := []string{host}
	if svc != nil && svc.Name != "" {
		ns := svc.Name + "." + svc.Namespace
		names = append(names, ns+"."+strings.SplitN(domain, ".", 2)[0], ns)
		if svc.Namespace == namespace {
			names = append(names, svc.Name)
		}
		if svc.Address != "" {
			names = append(names, svc.Address)
		}
	}
	var out []string
	for _, n := range names {
		if portless || bare {
			out = append(out, n)
		}
		out = append(out, fmt.Sprintf("%s:%d", n, port))
	}
	return out
}
