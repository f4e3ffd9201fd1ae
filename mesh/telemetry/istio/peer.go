package istio

// Peer is a workload as metrics name it.
type Peer struct {
	// Workload is the Deployment's name, Namespace its namespace.
	Workload, Namespace string
	// Principal is the SPIFFE identity that it showed; a hop tells.
	Principal string
	// App, Version, CanonicalService and CanonicalRevision come from labels.
	App, Version, CanonicalService, CanonicalRevision string
	// Cluster it runs in: "Kubernetes" in Istio. Empty: that.
	Cluster string
}

// PeerOf is a workload of a lab: its Deployment, and what its labels say. They name its canonical service too.
func PeerOf(deployment, namespace string, labels map[string]string) Peer {
	app, version := labels["app"], labels["version"]
	return Peer{Workload: deployment, Namespace: namespace, App: app, Version: version, CanonicalService: app, CanonicalRevision: version}
}

// Peers says who is at an address, which is given as an IP address without a port.
type Peers func(address string) (Peer, bool)

// Proxies says whose proxy a node id is.
type Proxies func(nodeID string) (Peer, bool)

// Service is where a request was meant to go.
type Service struct {
	// Host: reviews.default.svc.cluster.local; Name: reviews; Namespace: default.
	Host, Name, Namespace string
}

// unknown is what Istio says where nothing is known.
const unknown = "unknown"

func known(s string) string {
	if s == "" {
		return unknown
	}
	return s
}

// labels of a peer, each name with a prefix.
func (p Peer) labels(side string, into map[string]string) {
	cluster := p.Cluster
	if cluster == "" && p.Workload != "" {
		cluster = "Kubernetes"
	}
	revision := p.CanonicalRevision
	if revision == "" && p.Workload != "" {
		revision = "latest"
	}
	for name, value := range map[string]string{
		"workload": p.Workload, "workload_namespace": p.Namespace, "principal": p.Principal, "app": p.App, "version": p.Version,
		"canonical_service": p.CanonicalService, "canonical_revision": revision, "cluster": cluster,
	} {
		into[side+"_"+name] = known(value)
	}
}
