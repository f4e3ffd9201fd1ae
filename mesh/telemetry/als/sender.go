package als

import (
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// sender is the proxy, and the side of it, at the other end of a stream.
type sender struct {
	proxy, workload, namespace string
	gateway                    bool
	logName                    string
	// rules are those of metrics, as they were read, by their text.
	rules map[string]telemetry.Counting
}

func newSender(id *accesslogv3.StreamAccessLogsMessage_Identifier, lookup func(string) (string, string, bool)) *sender {
	node := id.GetNode()
	s := &sender{proxy: node.GetId(), logName: id.GetLogName()}
	s.workload, s.namespace, s.gateway = Node(node.GetId())
	metadata := node.GetMetadata().GetFields()
	if name := metadata["WORKLOAD_NAME"].GetStringValue(); name != "" {
		s.workload = name
	}
	if namespace := metadata["NAMESPACE"].GetStringValue(); namespace != "" {
		s.namespace = namespace
	}
	if lookup != nil {
		if workload, namespace, known := lookup(s.proxy); known {
			s.workload, s.namespace = workload, namespace
		}
	}
	return s
}

// Node reads a node id: sidecar~reviews-v1-0.default, or Istio's own sidecar~10.0.0.1~reviews-v1-0.default~default.svc.
// A proxy of kind router is a gateway. Other ids are a workload's name.
func Node(id string) (name, namespace string, gateway bool) {
	parts := strings.Split(id, "~")
	full := parts[0]
	switch len(parts) {
	case 2:
		full = parts[1]
	case 4:
		full = parts[2]
	}
	if i := strings.LastIndexByte(full, '.'); i >= 0 && len(parts) > 1 {
		return full[:i], full[i+1:], parts[0] == "router"
	}
	return full, "", parts[0] == "router" && len(parts) > 1
}

// direction is told by the log's name; without that by the cluster's.
func (s *sender) direction(cluster string) telemetry.Direction {
	switch {
	case s.gateway:
		return telemetry.Gateway
	case strings.Contains(s.logName, "inbound"), !strings.Contains(s.logName, "outbound") && strings.HasPrefix(cluster, "inbound|"):
		return telemetry.Inbound
	default:
		return telemetry.Outbound
	}
}
