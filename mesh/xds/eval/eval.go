package eval

import (
	"fmt"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// evaluation is one request on its way.
type evaluation struct {
	c   *Config
	req *Request
	hcm *hcmv3.HttpConnectionManager
	out *Result
}

// Evaluate says what the proxy does with a request. An error says that no listener takes it, or that the configuration holds
// something that is not evaluated here.
func (c *Config) Evaluate(req Request) (*Result, error) {
	req = req.filled()
	e := &evaluation{c: c, req: &req, out: &Result{Request: req, Route: -1, Authority: req.Authority, Path: req.Path}}
	l, via, err := c.findListener(&req)
	if err != nil {
		return nil, err
	}
	e.out.Listener = Listener{Name: l.GetName(), Address: address(l.GetAddress()), Sources: c.from(translate.Listener, l.GetName())}
	if via != nil {
		e.out.Listener.Via = via.GetName()
	}
	return e.out, e.listener(l)
}

func (e *evaluation) listener(l *listenerv3.Listener) error {
	chain, err := filterChain(l, e.req)
	if err != nil {
		return err
	}
	hcm, tcp, err := network(chain)
	switch {
	case err != nil:
		return fmt.Errorf("listener %s: %w", l.GetName(), err)
	case tcp != nil:
		e.tcp(tcp)
		return nil
	}
	e.hcm = hcm
	rc := hcm.GetRouteConfig()
	if rc == nil {
		name := hcm.GetRds().GetRouteConfigName()
		if rc = e.c.Routes[name]; rc == nil {
			return fmt.Errorf("listener %s: the proxy has no route table %q", l.GetName(), name)
		}
	}
	return e.table(rc)
}

func (e *evaluation) table(rc *routev3.RouteConfiguration) error {
	e.out.Table = rc.GetName()
	vh, domain := virtualHost(rc, e.req.Authority)
	if vh == nil {
		e.out.Answer = &Answer{Status: 404, Why: "no virtual host has a domain for " + e.req.Authority}
		return nil
	}
	e.out.VirtualHost, e.out.Domain = vh.GetName(), domain
	if vh.GetMatcher() != nil {
		return fmt.Errorf("virtual host %s: it has a matcher tree, which is not evaluated here", vh.GetName())
	}
	for i, r := range vh.GetRoutes() {
		unmet, err := e.unmet(r.GetMatch())
		if err != nil {
			return fmt.Errorf("virtual host %s, route %d (%s): %w", vh.GetName(), i, r.GetName(), err)
		}
		e.out.Routes = append(e.out.Routes, Candidate{
			Index: i, Name: r.GetName(), Match: matchText(r.GetMatch()), Unmet: unmet,
			Rule: place(r, translate.RuleMetaRoute), Conditions: place(r, translate.RuleMetaMatch),
		})
		if unmet == "" && e.out.Route < 0 {
			e.out.Route = i
		}
	}
	if vh.GetRequireTls() == routev3.VirtualHost_ALL && e.req.Scheme == "http" {
		host, _, _ := cutPort(e.req.Authority)
		e.out.Route = -1
		e.out.Answer = &Answer{Status: 301, Why: "the virtual host asks for TLS (httpsRedirect)", Location: "https://" + host + e.req.Path}
		return nil
	}
	if e.out.Route < 0 {
		e.out.Answer = &Answer{Status: 404, Why: "no route of " + vh.GetName() + " matches"}
		return nil
	}
	return e.route(vh.GetRoutes()[e.out.Route])
}

func (e *evaluation) route(r *routev3.Route) error {
	e.out.Headers = edits(r.GetRequestHeadersToAdd(), r.GetRequestHeadersToRemove(), r.GetResponseHeadersToAdd(), r.GetResponseHeadersToRemove())
	if err := e.faults(r); err != nil {
		return err
	}
	switch a := r.GetAction().(type) {
	case *routev3.Route_DirectResponse:
		e.out.Answer = &Answer{
			Status: a.DirectResponse.GetStatus(), Why: "the route answers directly", Body: a.DirectResponse.GetBody().GetInlineString(),
		}
		return nil
	case *routev3.Route_Redirect:
		return e.redirect(r.GetMatch(), a.Redirect)
	case *routev3.Route_Route:
		return e.forward(r.GetMatch(), a.Route)
	}
	return fmt.Errorf("route %s: its action is not evaluated here: %T", r.GetName(), r.GetAction())
}

func (e *evaluation) forward(m *routev3.RouteMatch, a *routev3.RouteAction) error {
	var err error
	if e.out.Path, err = e.rewritten(m, a); err != nil {
		return err
	}
	if h := a.GetHostRewriteLiteral(); h != "" {
		e.out.Authority = h
	}
	switch c := a.GetClusterSpecifier().(type) {
	case *routev3.RouteAction_Cluster:
		e.share(c.Cluster, 1, 1)
	case *routev3.RouteAction_WeightedClusters:
		total := uint64(0)
		for _, w := range c.WeightedClusters.GetClusters() {
			total += uint64(w.GetWeight().GetValue())
		}
		for _, w := range c.WeightedClusters.GetClusters() {
			s := e.share(w.GetName(), w.GetWeight().GetValue(), total)
			s.Headers = edits(w.GetRequestHeadersToAdd(), w.GetRequestHeadersToRemove(), w.GetResponseHeadersToAdd(), w.GetResponseHeadersToRemove())
			s.Authority = w.GetHostRewriteLiteral()
		}
	default:
		return fmt.Errorf("the cluster is chosen in a way that is not evaluated here: %T", c)
	}
	e.out.Settings = routeSettings(a)
	for _, p := range a.GetRequestMirrorPolicies() {
		percent := 100.0
		if f := p.GetRuntimeFraction(); f != nil {
			percent = percentOf(f.GetDefaultValue())
		}
		e.out.Mirrors = append(e.out.Mirrors, Mirror{Cluster: p.GetCluster(), Percent: percent})
	}
	return nil
}

func (e *evaluation) tcp(p *tcpproxyv3.TcpProxy) {
	e.out.TCP = true
	if p.GetCluster() != "" {
		e.share(p.GetCluster(), 1, 1)
		return
	}
	total := uint64(0)
	for _, w := range p.GetWeightedClusters().GetClusters() {
		total += uint64(w.GetWeight())
	}
	for _, w := range p.GetWeightedClusters().GetClusters() {
		e.share(w.GetName(), w.GetWeight(), total)
	}
}

func (e *evaluation) share(cluster string, weight uint32, total uint64) *Share {
	s := Share{Cluster: cluster, Weight: weight, Percent: 100 * float64(weight) / float64(max(1, total))}
	e.c.describe(&s)
	e.out.Shares = append(e.out.Shares, s)
	return &e.out.Shares[len(e.out.Shares)-1]
}

// place reads where a route's rule is written.
func place(r *routev3.Route, what string) diag.Pos {
	text := r.GetMetadata().GetFilterMetadata()[translate.RuleMetadata].GetFields()[what].GetStringValue()
	pos := diag.Pos{File: text}
	for _, part := range []*int{&pos.Col, &pos.Line} {
		i := strings.LastIndexByte(pos.File, ':')
		if i < 0 {
			return diag.Pos{File: text}
		}
		n, err := strconv.Atoi(pos.File[i+1:])
		if err != nil {
			return diag.Pos{File: text}
		}
		*part, pos.File = n, pos.File[:i]
	}
	return pos
}

func address(a *corev3.Address) string {
	s := a.GetSocketAddress()
	if s == nil {
		return a.GetPipe().GetPath() + a.GetEnvoyInternalAddress().GetServerListenerName()
	}
	return fmt.Sprintf("%s:%d", s.GetAddress(), s.GetPortValue())
}
