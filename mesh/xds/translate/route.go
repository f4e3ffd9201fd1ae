package translate

import (
	"fmt"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// hostPort is a host as callers see it: routes are made for one of its ports at a time, for one gateway
// (or the sidecars).
type hostPort struct {
	host    string
	port    uint32
	gateway string
}

// buildVirtualHosts gives what sidecars do with requests for a host: by its rule, or straight to its service.
func buildVirtualHosts(r *reader, host string) {
	svc := r.service(host)
	rule := r.meshRule(host)
	leased := r.faults(host)
	var ports []model.Port
	if svc != nil {
		ports = svc.Ports
	} else if rule != nil {
		ports = []model.Port{{Number: 80, Protocol: model.HTTP}}
	}
	tunnels := r.mesh().Capture == model.CaptureProxy
	hosts := map[uint32]*routev3.VirtualHost{}
	for _, p := range ports {
		if !p.Protocol.IsHTTP() && (!tunnels || p.Protocol == model.UDP) {
			continue
		}
		at := hostPort{host: host, port: p.Number, gateway: model.MeshGateway}
		vh := &routev3.VirtualHost{
			Name:                       fmt.Sprintf("%s:%d", host, p.Number),
			Domains:                    r.domains(svc, at),
			IncludeRequestAttemptCount: true,
		}
		if p.Protocol.IsHTTP() {
			vh.Routes = r.requestRoutes(svc, rule, at, leased)
		}
		if tunnels && svc != nil {
			vh.Routes = append(vh.Routes, connectRoute(p, host))
		}
		if len(vh.GetRoutes()) > 0 {
			hosts[p.Number] = vh
		}
	}
	r.t.setVirtualHosts(r.scope, r.node, hosts, r.pos...)
}

// requestRoutes gives the routes of a host's requests.
func (r *reader) requestRoutes(svc *model.Service, rule *model.VirtualService, at hostPort, leased []*model.LeasedFault) []*routev3.Route {
	var routes []*routev3.Route
	if rule != nil {
		routes = r.httpRoutes(rule, at, leased)
	}
	if len(routes) == 0 && svc != nil { // no rule, or one that says nothing to these callers or on this port
		routes = []*routev3.Route{r.defaultRoute(at, leased)}
	}
	return routes
}

func (r *reader) domains(svc *model.Service, at hostPort) []string {
	m := r.mesh()
	redirect := m.Capture == model.CaptureRedirect
	return domains(svc, at.host, m.Domain, r.scope.namespace, at.port, redirect, at.port == 80)
}

// defaultRoute sends all requests for a host to its service, as Istio does without a rule.
func (r *reader) defaultRoute(at hostPort, leased []*model.LeasedFault) *routev3.Route {
	return r.route(&model.HTTPRoute{Destinations: []*model.Destination{{Host: at.host, Port: at.port}}}, nil, at, leased)
}

// httpRoutes gives one Envoy route per match of the rule that can hold here, in order. What follows a match of
// everything cannot be reached and is left out, as Istio does.
func (r *reader) httpRoutes(rule *model.VirtualService, at hostPort, leased []*model.LeasedFault) []*routev3.Route {
	r.from(rule.Pos)
	var out []*routev3.Route
	for _, h := range rule.HTTP {
		if len(h.Match) == 0 {
			return append(out, r.route(h, nil, at, leased))
		}
		for _, m := range h.Match {
			if !r.applies(rule, m.Gateways, m.SourceLabels, m.SourceNamespace, m.Port, at) {
				continue
			}
			out = append(out, r.route(h, m, at, leased))
			if catchAll(m) {
				return out
			}
		}
	}
	return out
}

// applies decides the conditions that are settled before a request comes: gateway, caller and port.
func (r *reader) applies(
	rule *model.VirtualService, gateways []string, labels map[string]string, namespace string, port uint32, at hostPort,
) bool {
	if len(gateways) == 0 {
		gateways = rule.Gateways
	}
	return slices.Contains(gateways, at.gateway) &&
		model.Labels(r.scope.labels, labels) &&
		(namespace == "" || namespace == r.scope.namespace) &&
		(port == 0 || port == at.port)
}

func catchAll(m *model.HTTPMatch) bool {
	everyPath := m.URI == nil || m.URI.Kind == model.Prefix && m.URI.Value == "/"
	return everyPath && m.Scheme == nil && m.Method == nil && m.Authority == nil &&
		len(m.Headers) == 0 && len(m.WithoutHeaders) == 0 && len(m.QueryParams) == 0
}

func routeName(h *model.HTTPRoute, m *model.HTTPMatch) string {
	name := h.Name
	if name == "" {
		name = "default"
	}
	if m != nil && m.Name != "" {
		name += "." + m.Name
	}
	return name
}

func (r *reader) route(h *model.HTTPRoute, m *model.HTTPMatch, at hostPort, leased []*model.LeasedFault) *routev3.Route {
	r.from(h.Pos)
	out := &routev3.Route{
		Name:                 routeName(h, m),
		Match:                routeMatch(m),
		Metadata:             provenance(h, m),
		Decorator:            &routev3.Decorator{Operation: operation(at.host, at.port)},
		TypedPerFilterConfig: r.faultConfig(h.Fault, leased),
	}
	if ops := h.Headers; ops != nil {
		out.RequestHeadersToAdd = headerOptions(ops.RequestSet, ops.RequestAdd)
		out.RequestHeadersToRemove = ops.RequestRemove
		out.ResponseHeadersToAdd = headerOptions(ops.ResponseSet, ops.ResponseAdd)
		out.ResponseHeadersToRemove = ops.ResponseRemove
	}
	if h.CORS != nil {
		out.TypedPerFilterConfig[CORSFilter] = packed(corsPolicy(h.CORS))
	}
	switch {
	case h.Redirect != nil:
		out.Action = &routev3.Route_Redirect{Redirect: redirectAction(h.Redirect)}
	case h.DirectResponse != nil:
		out.Action = &routev3.Route_DirectResponse{DirectResponse: directResponse(h.DirectResponse)}
	default:
		out.Action = &routev3.Route_Route{Route: r.routeAction(h, at)}
	}
	return out
}

func (r *reader) routeAction(h *model.HTTPRoute, at hostPort) *routev3.RouteAction {
	out := &routev3.RouteAction{Timeout: duration(h.Timeout)}
	for _, d := range h.Destinations {
		if hash := r.hashPolicy(d, at); hash != nil {
			out.HashPolicy = []*routev3.RouteAction_HashPolicy{hash}
			break
		}
	}
	out.RetryPolicy = retryPolicy(h.Retries, out.GetHashPolicy() != nil)
	if h.Retries != nil {
		r.from(h.Retries.Pos)
	}
	authority := authoritySet(h.Headers)
	if len(h.Destinations) == 1 {
		d := h.Destinations[0]
		out.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: r.clusterOf(d.Host, d.Subset, d.Port, at)}
		if a := authoritySet(d.Headers); a != "" {
			authority = a
		}
		// A single destination's own header operations need a weighted cluster to stand on.
		if d.Headers != nil {
			out.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: r.weighted(h.Destinations, at)}
		}
	} else {
		out.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: r.weighted(h.Destinations, at)}
	}
	if rw := h.Rewrite; rw != nil {
		if rw.Regex != "" {
			out.RegexRewrite = &matcherv3.RegexMatchAndSubstitute{Pattern: regex(rw.Regex), Substitution: rw.Substitution}
		} else {
			out.PrefixRewrite = rw.URI
		}
		if rw.Authority != "" {
			authority = rw.Authority
		}
	}
	if authority != "" {
		out.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: authority}
	}
	for _, m := range h.Mirrors {
		out.RequestMirrorPolicies = append(out.RequestMirrorPolicies, &routev3.RouteAction_RequestMirrorPolicy{
			Cluster:         r.clusterOf(m.Host, m.Subset, m.Port, at),
			RuntimeFraction: &corev3.RuntimeFractionalPercent{DefaultValue: fraction(m.Percent)},
			TraceSampled:    wrapperspb.Bool(false),
		})
	}
	return out
}

func (r *reader) weighted(ds []*model.Destination, at hostPort) *routev3.WeightedCluster {
	out := &routev3.WeightedCluster{}
	for _, d := range ds {
		weight := d.Weight
		if len(ds) == 1 && weight == 0 {
			weight = 100
		}
		c := &routev3.WeightedCluster_ClusterWeight{
			Name:   r.clusterOf(d.Host, d.Subset, d.Port, at),
			Weight: wrapU32(weight),
		}
		if ops := d.Headers; ops != nil {
			c.RequestHeadersToAdd = headerOptions(ops.RequestSet, ops.RequestAdd)
			c.RequestHeadersToRemove = ops.RequestRemove
			c.ResponseHeadersToAdd = headerOptions(ops.ResponseSet, ops.ResponseAdd)
			c.ResponseHeadersToRemove = ops.ResponseRemove
			if a := authoritySet(ops); a != "" {
				c.HostRewriteSpecifier = &routev3.WeightedCluster_ClusterWeight_HostRewriteLiteral{HostRewriteLiteral: a}
			}
		}
		out.Clusters = append(out.Clusters, c)
	}
	return out
}

// clusterOf names a destination's cluster: by its port, else the service's only port, else the port called.
func (r *reader) clusterOf(host, subset string, port uint32, at hostPort) string {
	return OutboundCluster(r.portOf(host, port, at), subset, host)
}

func (r *reader) portOf(host string, port uint32, at hostPort) uint32 {
	if port != 0 {
		return port
	}
	if svc := r.service(host); svc != nil && len(svc.Ports) == 1 {
		return svc.Ports[0].Number
	}
	return at.port
}
