package eval

import (
	"fmt"
	"math"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/xds/translate"
)

// What Istio gives a route without a rule.
const (
	defaultRetryOn  = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
	defaultAttempts = 2
)

// routeSettings says what is in force on a route, beside Envoy's own default where nothing is said.
func routeSettings(a *routev3.RouteAction) []Setting {
	timeout := Setting{Name: "timeout", Value: "15s", Default: true} // Envoy's, where a route says nothing
	if t := a.GetTimeout(); t != nil {
		timeout = Setting{Name: "timeout", Value: off(t), Default: t.AsDuration() == 0}
	}
	out := []Setting{timeout}
	p := a.GetRetryPolicy()
	if p == nil {
		out = append(out, Setting{Name: "retries", Value: "none"})
	} else {
		retryOn := p.GetRetryOn()
		if codes := p.GetRetriableStatusCodes(); len(codes) > 0 {
			retryOn += " " + strings.Trim(fmt.Sprint(codes), "[]")
		}
		attempts := uint32(1)
		if p.GetNumRetries() != nil {
			attempts = p.GetNumRetries().GetValue()
		}
		same := retryOn == defaultRetryOn && attempts == defaultAttempts && p.GetPerTryTimeout() == nil
		out = append(out,
			Setting{Name: "retries.attempts", Value: fmt.Sprint(attempts), Default: same},
			Setting{Name: "retries.retryOn", Value: retryOn, Default: retryOn == defaultRetryOn})
		if t := p.GetPerTryTimeout(); t != nil {
			out = append(out, Setting{Name: "retries.perTryTimeout", Value: t.AsDuration().String()})
		}
		if b := p.GetRetryBackOff(); b != nil {
			out = append(out, Setting{Name: "retries.backoff", Value: b.GetBaseInterval().AsDuration().String()})
		}
	}
	for _, h := range a.GetHashPolicy() {
		out = append(out, Setting{Name: "loadBalancer.consistentHash", Value: hashText(h)})
	}
	return out
}

func hashText(h *routev3.RouteAction_HashPolicy) string {
	switch p := h.GetPolicySpecifier().(type) {
	case *routev3.RouteAction_HashPolicy_Header_:
		return "header " + p.Header.GetHeaderName()
	case *routev3.RouteAction_HashPolicy_Cookie_:
		return "cookie " + p.Cookie.GetName()
	case *routev3.RouteAction_HashPolicy_QueryParameter_:
		return "query parameter " + p.QueryParameter.GetName()
	case *routev3.RouteAction_HashPolicy_ConnectionProperties_:
		return "the client's address"
	}
	return "?"
}

func off(d *durationpb.Duration) string {
	if d.AsDuration() == 0 {
		return "off"
	}
	return d.AsDuration().String()
}

// describe fills in what a cluster is: where it sends, and how.
func (c *Config) describe(s *Share) {
	cluster := c.Clusters[s.Cluster]
	if cluster == nil {
		s.Missing = true
		return
	}
	s.Sources = c.from(translate.Cluster, s.Cluster)
	s.Settings = clusterSettings(cluster)
	assignment := c.Endpoints[s.Cluster]
	if assignment == nil {
		assignment = cluster.GetLoadAssignment()
	}
	for _, group := range assignment.GetEndpoints() {
		l := group.GetLocality()
		for _, e := range group.GetLbEndpoints() {
			weight := uint32(1)
			if e.GetLoadBalancingWeight() != nil {
				weight = e.GetLoadBalancingWeight().GetValue()
			}
			s.Endpoints = append(s.Endpoints, Endpoint{
				Address: address(e.GetEndpoint().GetAddress()), Priority: group.GetPriority(), Weight: weight,
				Locality: strings.TrimRight(l.GetRegion()+"/"+l.GetZone()+"/"+l.GetSubZone(), "/"), Health: e.GetHealthStatus().String(),
			})
		}
	}
}

func clusterSettings(c *clusterv3.Cluster) []Setting {
	lb := c.GetLbPolicy().String()
	connect := "5s"
	if t := c.GetConnectTimeout(); t != nil {
		connect = t.AsDuration().String()
	}
	out := []Setting{
		{Name: "loadBalancer", Value: lb, Default: c.GetLbPolicy() == clusterv3.Cluster_LEAST_REQUEST},
		{Name: "connectionPool.tcp.connectTimeout", Value: connect, Default: connect == "10s"},
	}
	out = append(out, limits(c.GetCircuitBreakers())...)
	out = append(out, outlier(c.GetOutlierDetection())...)
	if p := c.GetCommonLbConfig().GetHealthyPanicThreshold(); p != nil && c.GetOutlierDetection() != nil {
		out = append(out, Setting{Name: "outlierDetection.minHealthPercent", Value: fmt.Sprintf("%v %%", p.GetValue()), Default: p.GetValue() == 0})
	}
	out = append(out, healthChecks(c.GetHealthChecks())...)
	switch {
	case len(c.GetTransportSocketMatches()) > 0:
		out = append(out, Setting{Name: "tls.mode", Value: "mTLS where the endpoint takes it", Default: true})
	case c.GetTransportSocket() != nil:
		out = append(out, Setting{Name: "tls.mode", Value: "by a rule"})
	}
	return out
}

// healthChecks say how endpoints are asked whether they are well.
func healthChecks(list []*corev3.HealthCheck) []Setting {
	if len(list) == 0 {
		return []Setting{{Name: "healthCheck", Value: "off", Default: true}}
	}
	var out []Setting
	for _, h := range list {
		what := "tcp"
		switch {
		case h.GetHttpHealthCheck() != nil:
			q := h.GetHttpHealthCheck()
			method := q.GetMethod().String()
			if q.GetMethod() == corev3.RequestMethod_METHOD_UNSPECIFIED {
				method = "GET"
			}
			what = "http " + method + " " + q.GetPath()
		case h.GetGrpcHealthCheck() != nil:
			what = strings.TrimSpace("grpc " + h.GetGrpcHealthCheck().GetServiceName())
		}
		out = append(out, Setting{Name: "healthCheck", Value: fmt.Sprintf("%s every %s, %d failures in a row and an endpoint is out, %d passes and it is back",
			what, h.GetInterval().AsDuration(), h.GetUnhealthyThreshold().GetValue(), h.GetHealthyThreshold().GetValue())})
	}
	return out
}

// limits are those of a cluster's circuit breaker; Envoy's own hold where the configuration has none.
func limits(b *clusterv3.CircuitBreakers) []Setting {
	t := &clusterv3.CircuitBreakers_Thresholds{}
	for _, x := range b.GetThresholds() {
		if x.GetPriority() == 0 {
			t = x
		}
	}
	one := func(name string, v *wrapperspb.UInt32Value, envoy uint32) Setting {
		n := envoy
		if v != nil {
			n = v.GetValue()
		}
		if n == math.MaxUint32 {
			return Setting{Name: name, Value: "no limit", Default: true}
		}
		return Setting{Name: name, Value: fmt.Sprint(n)}
	}
	out := []Setting{
		one("connectionPool.tcp.maxConnections", t.GetMaxConnections(), 1024),
		one("connectionPool.http.http1MaxPendingRequests", t.GetMaxPendingRequests(), 1024),
		one("connectionPool.http.http2MaxRequests", t.GetMaxRequests(), 1024),
	}
	if rb := t.GetRetryBudget(); rb != nil {
		return append(out, Setting{Name: "retryBudget", Value: fmt.Sprintf(
			"%v %% of active requests, at least %d", rb.GetBudgetPercent().GetValue(), rb.GetMinRetryConcurrency().GetValue(),
		)})
	}
	return append(out, one("connectionPool.http.maxRetries", t.GetMaxRetries(), 3))
}

func outlier(o *clusterv3.OutlierDetection) []Setting {
	if o == nil {
		return []Setting{{Name: "outlierDetection", Value: "off", Default: true}}
	}
	count := func(name string, n, enforcing *wrapperspb.UInt32Value, standard, enforced uint32) Setting {
		share := enforced
		if enforcing != nil {
			share = enforcing.GetValue()
		}
		value := standard
		if n != nil {
			value = n.GetValue()
		}
		if share == 0 {
			return Setting{Name: name, Value: "off", Default: n == nil}
		}
		return Setting{Name: name, Value: fmt.Sprintf("%d in a row eject", value), Default: n == nil}
	}
	span := func(name string, d *durationpb.Duration, standard string) Setting {
		if d == nil {
			return Setting{Name: name, Value: standard, Default: true}
		}
		return Setting{Name: name, Value: d.AsDuration().String()}
	}
	most := Setting{Name: "outlierDetection.maxEjectionPercent", Value: "10 %", Default: true}
	if p := o.GetMaxEjectionPercent(); p != nil {
		most = Setting{Name: most.Name, Value: fmt.Sprintf("%d %%", p.GetValue())}
	}
	return []Setting{
		count("outlierDetection.consecutive5xxErrors", o.GetConsecutive_5Xx(), o.GetEnforcingConsecutive_5Xx(), 5, 100),
		count("outlierDetection.consecutiveGatewayErrors", o.GetConsecutiveGatewayFailure(), o.GetEnforcingConsecutiveGatewayFailure(), 5, 0),
		span("outlierDetection.interval", o.GetInterval(), "10s"),
		span("outlierDetection.baseEjectionTime", o.GetBaseEjectionTime(), "30s"),
		most,
	}
}
