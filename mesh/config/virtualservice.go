package config

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// routes converts one VirtualService.
type routes struct {
	reporter
	resolver
	build    *build
	in       *networking.VirtualService
	gateways []string // resolved
	delegate bool     // has no hosts: others send to it
}

// convertedRule is a VirtualService before its delegates are put in place.
type convertedRule struct {
	routes *routes
	rule   *model.VirtualService
	// delegates holds, beside each HTTP route, the key of the rule it hands over to; empty for most.
	delegates []string
}

func (b *build) virtualService(doc *Document) *convertedRule {
	in := doc.message.(*networking.VirtualService)
	c := &routes{reporter: b.reporter(doc), resolver: b.resolver, build: b, in: in, delegate: len(in.Hosts) == 0}
	out := &convertedRule{routes: c, rule: &model.VirtualService{
		Name: doc.Name, Namespace: doc.Namespace, ExportTo: c.exportTo(in.ExportTo, "spec.exportTo"), Pos: doc.Pos,
	}}
	c.checkDelegate()
	c.gateways = c.ruleGateways()
	out.rule.Gateways = c.gateways
	out.rule.Hosts = c.hosts()
	for i, r := range in.Http {
		path := at("spec.http", i)
		out.rule.HTTP = append(out.rule.HTTP, c.httpRoute(r, path))
		key := ""
		if d := r.Delegate; d != nil {
			ns := d.Namespace
			if ns == "" {
				ns = doc.Namespace
			}
			key = ns + "/" + d.Name
		}
		out.delegates = append(out.delegates, key)
	}
	for i, r := range in.Tls {
		out.rule.TLS = append(out.rule.TLS, c.tlsRoute(r, at("spec.tls", i)))
	}
	for i, r := range in.Tcp {
		out.rule.TCP = append(out.rule.TCP, c.tcpRoute(r, at("spec.tcp", i)))
	}
	if len(in.Http)+len(in.Tls)+len(in.Tcp) == 0 && !doc.damaged("spec") {
		c.errorf("NO-ROUTES", "spec", "the VirtualService has no routes")
		c.hint("add http, tls or tcp")
	}
	c.shadowed(out)
	return out
}

// shadowed warns of routes after one that takes every request.
func (c *routes) shadowed(r *convertedRule) {
	for i, route := range r.rule.HTTP {
		if r.delegates[i] != "" || len(route.Match) > 0 && !slices.ContainsFunc(route.Match, catchesAll) || c.doc.damaged(at("spec.http", i)) {
			continue
		}
		for j := i + 1; j < len(r.rule.HTTP); j++ {
			c.warnf("SHADOWED", at("spec.http", j), "this route is never reached: the one at line %d takes every request", route.Pos.Line)
			c.hint("put it before the other")
		}
		return
	}
}

// hosts resolves the rule's hosts.
func (c *routes) hosts() []string {
	var out []string
	for i, h := range c.in.Hosts {
		p := at("spec.hosts", i)
		if !validHost(h) {
			c.errorf("BAD-HOST", p, "%q is no host", shorten(h))
			c.hint("a name, or a wildcard such as *.example.com")
			continue
		}
		full := c.host(h, c.doc.Namespace)
		if slices.Contains(out, full) {
			c.errorf("DUPLICATE-HOST", p, "the host %q occurs twice", h)
			continue
		}
		mesh := slices.Contains(c.gateways, model.MeshGateway)
		if h == "*" && mesh {
			c.errorf("BAD-HOST", p, `a rule for the mesh cannot hold for every host ("*")`)
			c.hint("name the hosts, or bind the rule to a gateway")
		}
		if mesh && len(c.gateways) == 1 && strings.HasSuffix(full, "."+c.domain) && !strings.HasPrefix(full, "*") && c.service(full) == nil {
			c.warnf("UNKNOWN-HOST", p, "no service stands for the host %q", h)
			c.hint("%s", c.suggest(h, c.doc.Namespace))
		}
		out = append(out, full)
	}
	return out
}

// httpRoute converts one route; its delegate is put in place later.
func (c *routes) httpRoute(in *networking.HTTPRoute, path string) *model.HTTPRoute {
	out := &model.HTTPRoute{
		Name:           in.Name,
		Match:          c.matches(in.Match, path+".match"),
		Redirect:       c.redirect(in.Redirect, path+".redirect"),
		DirectResponse: c.directResponse(in.DirectResponse, path+".directResponse"),
		Destinations:   c.destinations(in.Route, path+".route"),
		Rewrite:        c.rewrite(in.Rewrite, path+".rewrite"),
		Timeout:        c.duration(in.Timeout, path+".timeout", true),
		Retries:        c.retries(in.Retries, path+".retries"),
		Fault:          c.fault(in.Fault, path+".fault"),
		Mirrors:        c.mirrors(in, path),
		CORS:           c.cors(in.CorsPolicy, path+".corsPolicy"),
		Headers:        c.headerOps(in.Headers, path+".headers"),
		Pos:            c.pos(path),
	}
	c.action(in, path)
	if in.Fault != nil && in.Retries.GetAttempts() > 0 {
		c.warnf("FAULT-NO-RETRY", path+".retries", "retries do not act on the faults that this route injects itself")
		c.hint("inject the fault on the side of the called service, or by a scenario's fault")
	}
	return out
}

// action checks that a route does exactly one thing.
func (c *routes) action(in *networking.HTTPRoute, path string) {
	var actions []string
	add := func(is bool, name string) {
		if is {
			actions = append(actions, name)
		}
	}
	add(len(in.Route) > 0, "route")
	add(in.Redirect != nil, "redirect")
	add(in.DirectResponse != nil, "directResponse")
	add(in.Delegate != nil, "delegate")
	switch {
	case len(actions) > 1:
		c.errorf("ROUTE-ACTION", path+"."+actions[1], "a route does one thing: %q and %q exclude one another", actions[0], actions[1])
	case len(actions) == 0:
		if !c.doc.damaged(path) {
			c.errorf("ROUTE-ACTION", path, "the route does nothing")
			c.hint("add route, redirect, directResponse or delegate")
		}
	case actions[0] == "redirect" || actions[0] == "directResponse":
		if in.Rewrite != nil {
			c.errorf("ROUTE-ACTION", path+".rewrite", "nothing is rewritten where a %s answers", actions[0])
		}
		if in.Fault != nil && in.Redirect != nil {
			c.errorf("ROUTE-ACTION", path+".fault", "no fault acts where a redirect answers")
		}
	}
}

// destinations converts the shares of an HTTP route.
func (c *routes) destinations(in []*networking.HTTPRouteDestination, path string) []*model.Destination {
	var out []*model.Destination
	weights := make([]int32, 0, len(in))
	for i, d := range in {
		p := at(path, i)
		to := c.destination(d.Destination, d.Weight, p)
		to.Headers = c.headerOps(d.Headers, p+".headers")
		weights = append(weights, d.Weight)
		out = append(out, to)
	}
	c.weights(weights, path)
	return out
}

func (c *routes) destination(in *networking.Destination, weight int32, path string) *model.Destination {
	out := &model.Destination{Pos: c.pos(path)}
	if weight > 0 {
		out.Weight = uint32(weight)
	}
	if in == nil {
		c.missing(path+".destination", "a route needs a destination")
		return out
	}
	out.Host, out.Subset, out.Port = c.target(in, path+".destination")
	return out
}

// weights checks that there is something to share: no negative weight, and a positive sum where there are several.
func (c *routes) weights(in []int32, path string) {
	sum, negative := int64(0), false
	for i, w := range in {
		if w < 0 {
			c.errorf("WEIGHT-SUM", at(path, i)+".weight", "a weight cannot be negative")
			negative = true
		}
		sum += int64(w)
	}
	if len(in) > 1 && sum <= 0 && !negative && !c.doc.damaged(path) {
		c.errorf("WEIGHT-SUM", path, "the weights of %d destinations sum to 0", len(in))
		c.hint("give each destination its share: weight: 50")
	}
}

// target resolves a destination and checks that it exists.
func (c *routes) target(in *networking.Destination, path string) (host, subset string, port uint32) {
	if in.Host == "" {
		c.missing(path+".host", "a destination needs a host")
		return "", "", 0
	}
	host, subset, port = c.host(in.Host, c.doc.Namespace), in.Subset, in.Port.GetNumber()
	if in.Port != nil {
		c.port(port, path+".port.number")
	}
	svc := c.service(host)
	if svc == nil {
		c.errorf("UNKNOWN-HOST", path+".host", "no service stands for the host %q", in.Host)
		c.hint("%s", c.suggest(in.Host, c.doc.Namespace))
		return host, subset, port
	}
	if _, ok := svc.Port(port); !ok && port != 0 && !c.build.damagedPorts(svc) {
		c.errorf("UNKNOWN-PORT", path+".port.number", "the service %s has no port %d", in.Host, port)
		c.hint("its ports: %s", portList(svc.Ports))
	}
	c.checkSubset(host, in, path)
	return host, subset, port
}

func (c *routes) checkSubset(host string, in *networking.Destination, path string) {
	if in.Subset == "" {
		return
	}
	dr := c.build.snap.DestinationRule(host, c.doc.Namespace)
	if dr == nil {
		c.errorf("MISSING-SUBSET", path+".subset", "no DestinationRule names the subset %q of %s", in.Subset, in.Host)
		c.hint("add a DestinationRule for host %s with this subset", in.Host)
		return
	}
	if dr.Subset(in.Subset) != nil {
		return
	}
	if doc := c.build.set.Get(kindDestinationRule, dr.Namespace, dr.Name); doc != nil && doc.damaged("spec.subsets") {
		return
	}
	var names []string
	for _, s := range dr.Subsets {
		names = append(names, s.Name)
	}
	c.errorf("MISSING-SUBSET", path+".subset", "the DestinationRule %s (%s) has no subset %q", dr.Name, dr.Pos, in.Subset)
	c.hint("%s", DidYouMean(in.Subset, names))
}

func portList(ports []model.Port) string {
	var out []string
	for _, p := range ports {
		out = append(out, fmt.Sprintf("%d (%s)", p.Number, p.Name))
	}
	return strings.Join(out, ", ")
}

// exportTo checks a list of namespaces.
func (r reporter) exportTo(in []string, path string) []string {
	for i, ns := range in {
		if ns != "*" && ns != "." && !namespaceName.MatchString(ns) {
			r.errorf("BAD-VALUE", at(path, i), "exportTo takes %q, %q or a namespace, not %q", "*", ".", shorten(ns))
		}
	}
	return slices.Clone(in)
}

// validHost reports whether a host is a name, an address, or a wildcard whose star stands for the first part.
func validHost(h string) bool {
	if h == "*" {
		return true
	}
	rest := strings.TrimPrefix(h, "*.")
	if strings.HasPrefix(h, "*") && !strings.HasPrefix(h, "*.") {
		rest = strings.TrimPrefix(h, "*") // *-suffix.example.com
	}
	if rest == "" || len(h) > 253 {
		return false
	}
	for _, r := range rest {
		if r != '-' && r != '.' && r != ':' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return !strings.HasPrefix(rest, ".") && !strings.Contains(rest, "..")
}
