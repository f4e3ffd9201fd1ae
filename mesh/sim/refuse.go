package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/policy/authz"
)

// Gap is something of a snapshot that the model lacks.
type Gap struct {
	Pos diag.Pos
	// What it is, as the subject of a sentence.
	What string
}

// Unmodelled lists what a snapshot asks for that the model does not do. Who runs a snapshot of which something is listed gets other results
// than Envoy's.
func Unmodelled(s model.Snapshot) []Gap {
	var g gaps
	for _, gw := range s.Gateways.All() {
		for _, srv := range gw.Servers {
			g.server(srv)
		}
	}
	for _, v := range s.VirtualServices.All() {
		g.virtualService(v)
	}
	for _, d := range s.DestinationRules.All() {
		g.policy(d.Policy)
		for _, sub := range d.Subsets {
			g.policy(sub.Policy)
		}
	}
	for _, svc := range s.Services.All() {
		for _, p := range svc.Ports {
			g.when(svc.Resolution != model.Static, p.Pos, "a service without endpoints of its own")
			g.when(p.Protocol == model.HTTPS || p.Protocol == model.TLS, p.Pos, "a port of %s", p.Protocol)
		}
	}
	g.authorizations(s)
	g.quotas(s)
	return g.list
}

type gaps struct{ list []Gap }

func (g *gaps) when(lacking bool, pos diag.Pos, format string, args ...any) {
	if lacking {
		g.list = append(g.list, Gap{pos, fmt.Sprintf(format, args...)})
	}
}

func (g *gaps) server(s *model.Server) {
	g.when(s.Protocol != model.HTTP && s.Protocol != model.TCP, s.Pos, "a gateway that serves %s", s.Protocol)
	g.when(s.Protocol == model.HTTP && s.Port != GatewayPort, s.Pos, "HTTP on another port of a gateway than %d", GatewayPort)
	g.when(s.HTTPSRedirect, s.Pos, "httpsRedirect")
}

func (g *gaps) virtualService(v *model.VirtualService) {
	g.when(len(v.TLS) > 0, v.Pos, "a TLS route")
	for _, t := range v.TCP {
		g.when(slices.Contains(v.Gateways, model.MeshGateway), t.Pos, "a TCP route for sidecars")
		for _, m := range t.Match {
			g.when(len(m.Subnets) > 0 || len(m.SourceLabels) > 0 || m.SourceNamespace != "", m.Pos, "a TCP route by subnet or source")
		}
	}
	for _, h := range v.HTTP {
		g.route(h)
	}
}

// traced headers differ in each request, and are kept apart from messages.
var traced = []string{"x-request-id", "traceparent", "tracestate", "b3", "x-forwarded-for", "x-forwarded-proto"}

func isTraced(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(traced, name) || strings.HasPrefix(name, "x-b3-") || strings.HasPrefix(name, "x-envoy-")
}

func (g *gaps) route(h *model.HTTPRoute) {
	for _, m := range h.Match {
		_, err := match.New(m)
		g.when(err != nil, m.Pos, "a match that cannot be read (%v)", err)
		for _, n := range slices.Concat(m.Headers, m.WithoutHeaders) {
			g.when(strings.HasPrefix(n.Name, "@") && model.ClaimPath(n.Name) == nil, m.Pos, "a match on %s", n.Name)
			g.when(isTraced(n.Name), m.Pos, "a match on the header %s", n.Name)
		}
	}
	if d := h.Redirect; d != nil {
		g.when(d.PrefixPath != "" || d.DerivePort != "", h.Pos, "a redirect by prefix, or to a derived port")
	}
	if r := h.Retries; r != nil {
		g.when(r.RetryRemoteLocalities, cmp.Or(r.Pos, h.Pos), "retryRemoteLocalities")
		for _, word := range unknownConditions(r.RetryOn) {
			g.when(true, cmp.Or(r.Pos, h.Pos), "the condition %s of retryOn", word)
		}
	}
	g.headers(h.Pos, h.Headers)
	for _, d := range h.Destinations {
		g.headers(d.Pos, d.Headers)
	}
}

func (g *gaps) headers(pos diag.Pos, ops *model.HeaderOps) {
	if ops == nil {
		return
	}
	for _, h := range slices.Concat(ops.RequestSet, ops.RequestAdd, ops.ResponseSet, ops.ResponseAdd) {
		g.when(strings.Contains(h.Value, "%"), pos, "a header's value with a command of Envoy (%s)", h.Value)
		g.when(isTraced(h.Name), pos, "setting the header %s", h.Name)
	}
	for _, name := range slices.Concat(ops.RequestRemove, ops.ResponseRemove) {
		g.when(isTraced(name), pos, "removing the header %s", name)
	}
}

func (g *gaps) policy(p *model.TrafficPolicy) {
	if p == nil {
		return
	}
	for _, port := range p.Ports {
		g.policy(port.Policy)
	}
	if t := p.TLS; t != nil {
		g.when(t.Mode != model.TLSDisable && t.Mode != model.TLSIstio, cmp.Or(t.Pos, p.Pos), "TLS (%s) to others than sidecars", t.Mode)
	}
	if x := p.Pool; x != nil {
		g.when(x.UseClientProtocol, p.Pos, "useClientProtocol")
		g.when(x.MaxConnectionDuration > 0, p.Pos, "maxConnectionDuration")
		g.when(x.IdleTimeout > 0 || x.TCPIdleTimeout > 0, p.Pos, "idleTimeout")
		g.when(x.Keepalive != nil, p.Pos, "tcpKeepalive")
	}
	if o := p.Outlier; o != nil {
		g.when(o.SplitLocalOrigin || o.ConsecutiveLocalOrigin != nil, p.Pos, "splitExternalLocalOriginErrors")
	}
	if lb := p.LoadBalancer; lb != nil {
		if h := lb.Hash; h != nil {
			g.when(h.Header != "" && isTraced(h.Header) && !strings.EqualFold(h.Header, "x-request-id"), p.Pos, "hashing the header %s", h.Header)
			locality := lb.Locality != nil && !lb.Locality.Disabled && len(lb.Locality.Distribute) > 0
			g.when(locality, p.Pos, "consistent hashing together with locality weights")
		}
	}
}

// unseen are headers that a message of the model does not have.
func isUnseen(name string) bool {
	return isTraced(name) || strings.EqualFold(name, forwardedCertificate)
}

// authorizations finds policies that ask for what callers have on a machine, and not in the model.
func (g *gaps) authorizations(s model.Snapshot) {
	for _, p := range s.AuthorizationPolicies.All() {
		g.when(p.Action == model.Custom, p.Pos, "a policy that asks a provider (CUSTOM)")
		g.when(authz.AsksAddresses([]*model.AuthorizationPolicy{p}), p.Pos, "a policy that asks for addresses")
		for _, r := range p.Rules {
			for _, c := range r.When {
				name, argument, _ := strings.Cut(strings.TrimSuffix(c.Key, "]"), "[")
				g.when(name == "request.headers" && isUnseen(argument), r.Pos, "a policy that asks for the header %s", argument)
				g.when(name == "connection.sni", r.Pos, "a policy that asks for connection.sni")
			}
		}
	}
	for _, a := range s.RequestAuthentications.All() {
		for _, r := range a.Rules {
			g.when(r.Remote != nil, r.Pos, "a jwksUri")
			for _, h := range r.FromHeaders {
				g.when(isUnseen(h.Name), r.Pos, "a token in the header %s", h.Name)
			}
		}
	}
}
