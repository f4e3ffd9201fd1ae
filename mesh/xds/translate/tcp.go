package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"

	"github.com/squallmesh/squall/mesh/model"
)

// tcpFilter sends connections to the destinations, by weight where there are several.
func (r *reader) tcpFilter(
	stat string, direction corev3.TrafficDirection, ds []*model.Destination, cluster func(*model.Destination) string,
) *listenerv3.Filter {
	p := &tcpproxyv3.TcpProxy{
		StatPrefix: statName(stat),
		AccessLog:  r.accessLogs(direction, tcpEvidence),
	}
	if len(ds) == 1 {
		p.ClusterSpecifier = &tcpproxyv3.TcpProxy_Cluster{Cluster: cluster(ds[0])}
	} else {
		w := &tcpproxyv3.TcpProxy_WeightedCluster{}
		for _, d := range ds {
			if d.Weight > 0 {
				w.Clusters = append(w.Clusters, &tcpproxyv3.TcpProxy_WeightedCluster_ClusterWeight{Name: cluster(d), Weight: d.Weight})
			}
		}
		p.ClusterSpecifier = &tcpproxyv3.TcpProxy_WeightedClusters{WeightedClusters: w}
	}
	return networkFilter("envoy.filters.network.tcp_proxy", p)
}
