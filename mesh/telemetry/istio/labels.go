package istio

import (
	"net"
	"strconv"
	"strings"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// reporters of metrics.
const (
	reporterSource      = "source"
	reporterDestination = "destination"
)

func host(address string) string {
	h, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return h
}

func (m *Metrics) at(address string) Peer {
	if m.opts.Peers == nil || address == "" {
		return Peer{}
	}
	p, _ := m.opts.Peers(host(address))
	return p
}

// own is the workload whose proxy logged a hop.
func (m *Metrics) own(h *telemetry.Hop) Peer {
	if m.opts.Proxies != nil {
		if p, ok := m.opts.Proxies(h.Proxy); ok {
			return p
		}
	}
	return Peer{Workload: h.Workload, Namespace: h.Namespace}
}

// common are the labels that requests and connections share.
func (m *Metrics) common(h *telemetry.Hop) map[string]string {
	labels := make(map[string]string, 32)
	var source, destination Peer
	if h.Direction == telemetry.Inbound {
		labels["reporter"] = reporterDestination
		source, destination = m.at(h.DownstreamRemote), m.own(h)
		source.Principal, destination.Principal = h.Principal, h.LocalPrincipal
	} else {
		labels["reporter"] = reporterSource
		source, destination = m.own(h), m.at(h.UpstreamAddress)
		source.Principal, destination.Principal = h.UpstreamLocalPrincipal, h.UpstreamPrincipal
	}
	source.labels("source", labels)
	destination.labels("destination", labels)
	s := m.service(h, destination)
	labels["destination_service"] = known(s.Host)
	labels["destination_service_name"] = known(s.Name)
	labels["destination_service_namespace"] = known(s.Namespace)
	labels["response_flags"] = h.FlagString()
	labels["connection_security_policy"] = unknown // as Istio has it: a source cannot tell
	if h.Direction == telemetry.Inbound {
		labels["connection_security_policy"] = "none"
		if h.Principal != "" {
			labels["connection_security_policy"] = "mutual_tls"
		}
	}
	return labels
}

// service is told by the cluster, outbound|9080|v1|reviews.default.svc.cluster.local; where that has no host, by the workload
// or else by what the caller asked for.
func (m *Metrics) service(h *telemetry.Hop, destination Peer) Service {
	name := ""
	if parts := strings.Split(h.Cluster, "|"); len(parts) == 4 {
		name = parts[3]
	}
	switch h.Cluster {
	case "BlackHoleCluster", "PassthroughCluster":
		return Service{Host: host(h.Authority), Name: h.Cluster}
	}
	if name == "" && m.opts.Service != nil {
		if s, ok := m.opts.Service(h); ok {
			return s
		}
	}
	if name == "" && h.Direction == telemetry.Inbound {
		return Service{Host: host(h.Authority), Name: destination.CanonicalService, Namespace: destination.Namespace}
	}
	if name == "" {
		name = host(h.Authority)
	}
	s := Service{Host: name, Name: name, Namespace: destination.Namespace}
	if first, rest, ok := strings.Cut(name, "."); ok {
		if namespace, _, ok := strings.Cut(rest, ".svc"); ok {
			s.Name, s.Namespace = first, namespace
		}
	}
	return s
}

// request adds the labels that only requests have.
func request(h *telemetry.Hop, labels map[string]string) {
	labels["request_protocol"] = "http"
	if h.GRPC {
		labels["request_protocol"] = "grpc"
		labels["grpc_response_status"] = h.GRPCStatus
	}
	labels["response_code"] = strconv.Itoa(h.Status)
}
