package config

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

func (b *build) gateway(doc *Document) *model.Gateway {
	in := doc.message.(*networking.Gateway)
	r := b.reporter(doc)
	out := &model.Gateway{Name: doc.Name, Namespace: doc.Namespace, Selector: copyLabels(in.Selector), Pos: doc.Pos}
	if len(in.Servers) == 0 {
		r.missing("spec.servers", "a gateway needs servers")
	}
	names := map[string]bool{}
	for i, s := range in.Servers {
		p := at("spec.servers", i)
		if server := r.server(s, p, names); server != nil {
			b.serverTLS(r, server, s, p, out.Selector)
			r.sharesPort(out.Servers, server, p)
			out.Servers = append(out.Servers, server)
		}
	}
	return out
}

func (r reporter) server(in *networking.Server, path string, names map[string]bool) *model.Server {
	out := &model.Server{Name: in.Name, Pos: r.pos(path), HTTPSRedirect: in.Tls.GetHttpsRedirect()}
	if in.Port == nil {
		r.missing(path+".port", "a server needs a port")
	} else {
		out.Port = in.Port.Number
		r.port(in.Port.Number, path+".port.number")
		if out.Name == "" {
			out.Name = in.Port.Name
		}
		switch {
		case in.Port.Name == "":
			r.missing(path+".port.name", "a port needs a name")
		case names[in.Port.Name]:
			r.errorf("DUPLICATE-NAME", path+".port.name", "the port name %q is used by another server of this gateway", in.Port.Name)
		}
		names[in.Port.Name] = true
		out.PortName = in.Port.Name
		out.Protocol = r.gatewayProtocol(in.Port.Protocol, path+".port.protocol")
	}
	if len(in.Hosts) == 0 {
		r.missing(path+".hosts", "a server needs hosts")
		r.hint(`for any host: ["*"]`)
	}
	for i, h := range in.Hosts {
		ns, host, found := strings.Cut(h, "/")
		if !found {
			ns, host = "*", h
		}
		if ns == "." {
			ns = r.doc.Namespace
		}
		if !validHost(host) || ns != "*" && !namespaceName.MatchString(ns) {
			r.errorf("BAD-HOST", at(path+".hosts", i), "%q is no host", shorten(h))
			r.hint("a name, a wildcard such as *.example.com, or either after a namespace and a slash")
			continue
		}
		out.Hosts = append(out.Hosts, model.GatewayHost{Namespace: ns, Host: host})
	}
	return out
}

// gatewayProtocols are those that Istio knows; the ones with true are served.
var gatewayProtocols = map[string]bool{
	"HTTP": true, "HTTP2": true, "GRPC": true, "GRPC-WEB": true,
	"TCP": true, "HTTPS": true, "TLS": true, "MONGO": false,
}

func (r reporter) gatewayProtocol(in, path string) model.Protocol {
	name := strings.ToUpper(in)
	served, known := gatewayProtocols[name]
	switch {
	case in == "":
		r.missing(path, "a port needs a protocol")
	case !known:
		r.errorf("BAD-VALUE", path, "%q is no protocol", shorten(in))
		r.hint("one of HTTP, HTTP2, GRPC, HTTPS, TLS, TCP")
	case !served:
		r.errorf("UNSUPPORTED-FIELD", path, "%s at gateways is not supported yet", name)
		r.hint("serve HTTP, HTTP2, GRPC, HTTPS, TLS or TCP")
	}
	return model.ParseProtocol(name, "")
}

// gatewayKey gives namespace/name of a gateway that a rule of a namespace names, in each of Istio's forms.
func gatewayKey(name, namespace string) string {
	if name == model.MeshGateway {
		return name
	}
	if ns, rest, found := strings.Cut(name, "/"); found {
		if ns == "." {
			ns = namespace
		}
		return ns + "/" + rest
	}
	if parts := strings.Split(name, "."); len(parts) > 1 { // gateway.namespace.svc.cluster.local
		return parts[1] + "/" + parts[0]
	}
	return namespace + "/" + name
}

// ruleGateways resolves the gateways that a rule is bound to, which must exist.
func (c *routes) ruleGateways() []string {
	if len(c.in.Gateways) == 0 {
		return []string{model.MeshGateway}
	}
	var out []string
	for i, g := range c.in.Gateways {
		p := at("spec.gateways", i)
		key := gatewayKey(g, c.doc.Namespace)
		if slices.Contains(out, key) {
			c.errorf("DUPLICATE-NAME", p, "the gateway %q occurs twice", g)
			continue
		}
		out = append(out, key)
		if ns, name, _ := strings.Cut(key, "/"); key != model.MeshGateway && c.build.set.Get(kindGateway, ns, name) == nil {
			c.errorf("UNKNOWN-GATEWAY", p, "there is no Gateway %q in namespace %q", name, ns)
			names := []string{model.MeshGateway}
			for _, d := range c.build.set.ofKind(kindGateway) {
				if d.Namespace == c.doc.Namespace {
					names = append(names, d.Name)
				} else {
					names = append(names, d.Namespace+"/"+d.Name)
				}
			}
			c.hint("%s", DidYouMean(g, names))
		}
	}
	return out
}
