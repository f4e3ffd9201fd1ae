package config

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

func (r reporter) connectionPool(in *networking.ConnectionPoolSettings, path string) *model.ConnectionPool {
	if in == nil {
		return nil
	}
	if in.Tcp == nil && in.Http == nil {
		r.missing(path, "a connectionPool needs tcp or http")
	}
	out := &model.ConnectionPool{}
	if t := in.Tcp; t != nil {
		p := path + ".tcp"
		out.MaxConnections = r.count(t.MaxConnections, p+".maxConnections")
		out.ConnectTimeout = r.duration(t.ConnectTimeout, p+".connectTimeout", false)
		out.MaxConnectionDuration = r.duration(t.MaxConnectionDuration, p+".maxConnectionDuration", false)
		out.TCPIdleTimeout = r.duration(t.IdleTimeout, p+".idleTimeout", true)
		if k := t.TcpKeepalive; k != nil {
			out.Keepalive = &model.Keepalive{
				Probes: k.Probes, Time: r.duration(k.Time, p+".tcpKeepalive.time", true), Interval: r.duration(k.Interval, p+".tcpKeepalive.interval", true),
			}
		}
	}
	if h := in.Http; h != nil {
		p := path + ".http"
		out.MaxPendingRequests = r.count(h.Http1MaxPendingRequests, p+".http1MaxPendingRequests")
		out.MaxRequests = r.count(h.Http2MaxRequests, p+".http2MaxRequests")
		out.MaxRequestsPerConnection = r.count(h.MaxRequestsPerConnection, p+".maxRequestsPerConnection")
		out.MaxRetries = r.count(h.MaxRetries, p+".maxRetries")
		out.MaxConcurrentStreams = r.count(h.MaxConcurrentStreams, p+".maxConcurrentStreams")
		out.IdleTimeout = r.duration(h.IdleTimeout, p+".idleTimeout", true)
		if h.H2UpgradePolicy != networking.ConnectionPoolSettings_HTTPSettings_DEFAULT {
			out.H2Upgrade = h.H2UpgradePolicy.String()
		}
		out.UseClientProtocol = h.UseClientProtocol
		if h.UseClientProtocol && out.H2Upgrade == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE.String() {
			r.errorf("EXCLUSIVE-FIELDS", p+".useClientProtocol", `"useClientProtocol" and "h2UpgradePolicy: UPGRADE" exclude one another`)
		}
	}
	return out
}

// retryBudget fills in Istio's defaults: 20 % and 3.
func (r reporter) retryBudget(in *networking.TrafficPolicy_RetryBudget, path string) *model.RetryBudget {
	if in == nil {
		return nil
	}
	out := &model.RetryBudget{Percent: 20, MinConcurrency: 3}
	if in.Percent != nil {
		out.Percent = r.percent(in.Percent.Value, path+".percent")
	}
	if in.MinRetryConcurrency != 0 {
		out.MinConcurrency = in.MinRetryConcurrency
	}
	return out
}
