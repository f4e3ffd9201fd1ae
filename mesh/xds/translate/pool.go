package translate

import (
	"math"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

const unlimited = math.MaxUint32

func wrapU32(n uint32) *wrapperspb.UInt32Value { return wrapperspb.UInt32(n) }

func limit(n uint32) *wrapperspb.UInt32Value {
	if n == 0 {
		n = unlimited
	}
	return wrapU32(n)
}

// thresholds are a cluster's circuit breakers: without limits unless the rule sets one. A retry budget takes the
// place of the limit of retries.
func thresholds(p *model.ConnectionPool, b *model.RetryBudget) *clusterv3.CircuitBreakers {
	if p == nil {
		p = &model.ConnectionPool{}
	}
	t := &clusterv3.CircuitBreakers_Thresholds{
		MaxConnections:     limit(p.MaxConnections),
		MaxPendingRequests: limit(p.MaxPendingRequests),
		MaxRequests:        limit(p.MaxRequests),
		MaxRetries:         limit(p.MaxRetries),
		TrackRemaining:     true,
	}
	if b != nil {
		percent, least := b.Percent, b.MinConcurrency
		if percent == 0 {
			percent = 20
		}
		if least == 0 {
			least = 3
		}
		t.RetryBudget = &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
			BudgetPercent:       &typev3.Percent{Value: percent},
			MinRetryConcurrency: wrapU32(least),
		}
	}
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{t}}
}

const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// applyPool sets the limits and times of connections to a cluster that speaks the protocol.
func applyPool(c *clusterv3.Cluster, p *model.ConnectionPool, protocol model.Protocol) {
	if p == nil {
		p = &model.ConnectionPool{}
	}
	if p.ConnectTimeout > 0 {
		c.ConnectTimeout = duration(p.ConnectTimeout)
	}
	if k := p.Keepalive; k != nil {
		c.UpstreamConnectionOptions = &clusterv3.UpstreamConnectionOptions{TcpKeepalive: &corev3.TcpKeepalive{
			KeepaliveProbes:   optionalU32(k.Probes),
			KeepaliveTime:     optionalU32(uint32(k.Time.Seconds())),
			KeepaliveInterval: optionalU32(uint32(k.Interval.Seconds())),
		}}
	}
	if !protocol.IsHTTP() {
		return
	}
	idle := p.IdleTimeout
	if idle == 0 {
		idle = p.TCPIdleTimeout
	}
	common := &corev3.HttpProtocolOptions{
		IdleTimeout:              optional(idle),
		MaxConnectionDuration:    optional(p.MaxConnectionDuration),
		MaxRequestsPerConnection: optionalU32(p.MaxRequestsPerConnection),
	}
	opts := &httpv3.HttpProtocolOptions{CommonHttpProtocolOptions: common}
	h2 := &corev3.Http2ProtocolOptions{MaxConcurrentStreams: optionalU32(p.MaxConcurrentStreams)}
	switch {
	case p.UseClientProtocol:
		opts.UpstreamProtocolOptions = &httpv3.HttpProtocolOptions_UseDownstreamProtocolConfig{
			UseDownstreamProtocolConfig: &httpv3.HttpProtocolOptions_UseDownstreamHttpConfig{
				HttpProtocolOptions:  &corev3.Http1ProtocolOptions{},
				Http2ProtocolOptions: h2,
			},
		}
	case protocol.IsHTTP2() || p.H2Upgrade == "UPGRADE":
		opts.UpstreamProtocolOptions = explicit(&httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: h2},
		})
	default:
		opts.UpstreamProtocolOptions = explicit(&httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
				HttpProtocolOptions: &corev3.Http1ProtocolOptions{},
			},
		})
	}
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpOptions: packed(opts)}
}

func explicit(c *httpv3.HttpProtocolOptions_ExplicitHttpConfig) *httpv3.HttpProtocolOptions_ExplicitHttpConfig_ {
	return &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: c}
}
