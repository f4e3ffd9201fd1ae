package config

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// serviceEntry converts an entry into a service for each of its hosts, and their endpoints.
func (b *build) serviceEntry(doc *Document) ([]*model.Service, []*model.Endpoints) {
	in := doc.message.(*networking.ServiceEntry)
	r := b.reporter(doc)
	resolution := r.resolution(in)
	ports := r.entryPorts(in)
	selector := copyLabels(in.WorkloadSelector.GetLabels())
	if len(selector) > 0 && len(in.Endpoints) > 0 {
		r.errorf("EXCLUSIVE-FIELDS", "spec.workloadSelector", `"endpoints" and "workloadSelector" exclude one another`)
	}
	if len(selector) > 0 && in.Resolution != networking.ServiceEntry_STATIC && !doc.damaged("spec.resolution") {
		r.errorf("BAD-VALUE", "spec.resolution", "a workloadSelector needs resolution STATIC")
	}
	address := r.entryAddress(in)
	if len(in.Hosts) == 0 {
		r.missing("spec.hosts", "a ServiceEntry needs hosts")
	}
	var services []*model.Service
	var endpoints []*model.Endpoints
	for i, h := range in.Hosts {
		if !validHost(h) || h == "*" {
			r.errorf("BAD-HOST", at("spec.hosts", i), "%q is no host", shorten(h))
			continue
		}
		if strings.HasPrefix(h, "*") && resolution == model.DNS && len(in.Endpoints) == 0 {
			r.errorf("BAD-HOST", at("spec.hosts", i), "a wildcard cannot be looked up by DNS")
			r.hint("name the hosts, give endpoints, or use resolution NONE")
		}
		services = append(services, &model.Service{
			Host: h, Namespace: doc.Namespace, Address: address, Ports: ports, Resolution: resolution,
			External: in.Location == networking.ServiceEntry_MESH_EXTERNAL, ExportTo: r.exportTo(in.ExportTo, "spec.exportTo"),
			Selector: selector, Pos: r.pos(at("spec.hosts", i)),
		})
		if len(selector) == 0 {
			endpoints = append(endpoints, &model.Endpoints{Host: h, List: r.entryEndpoints(in, h, i == 0)})
		}
	}
	return services, endpoints
}

func (r reporter) resolution(in *networking.ServiceEntry) model.Resolution {
	switch in.Resolution {
	case networking.ServiceEntry_STATIC:
		if len(in.Endpoints) == 0 && len(in.WorkloadSelector.GetLabels()) == 0 {
			r.missing("spec.endpoints", "resolution STATIC needs endpoints or a workloadSelector")
		}
		return model.Static
	case networking.ServiceEntry_DNS:
		return model.DNS
	case networking.ServiceEntry_DNS_ROUND_ROBIN, networking.ServiceEntry_DYNAMIC_DNS:
		r.errorf("UNSUPPORTED-FIELD", "spec.resolution", "resolution %s is not supported yet", in.Resolution)
		r.hint("use DNS")
	case networking.ServiceEntry_NONE:
		if len(in.Endpoints) > 0 {
			r.errorf("BAD-VALUE", "spec.endpoints", "resolution NONE takes no endpoints")
			r.hint("say resolution: STATIC or DNS")
		}
	}
	return model.None
}

func (r reporter) entryPorts(in *networking.ServiceEntry) []model.Port {
	var out []model.Port
	if len(in.Ports) == 0 {
		r.missing("spec.ports", "a ServiceEntry needs ports")
	}
	numbers, names := map[uint32]bool{}, map[string]bool{}
	for i, p := range in.Ports {
		path := at("spec.ports", i)
		if r.doc.damaged(path + ".number") {
			continue
		}
		r.port(p.Number, path+".number")
		if p.Name == "" {
			r.missing(path+".name", "a port needs a name")
		}
		if p.Name != "" && names[p.Name] {
			r.errorf("DUPLICATE-NAME", path+".name", "the port name %q occurs twice", p.Name)
		}
		if numbers[p.Number] {
			r.errorf("DUPLICATE-NAME", path+".number", "the port %d occurs twice", p.Number)
		}
		numbers[p.Number], names[p.Name] = true, true
		if p.TargetPort > 65535 {
			r.port(p.TargetPort, path+".targetPort")
		}
		switch strings.ToUpper(p.Protocol) {
		case "", "HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS", "TCP":
		case "MONGO", "MYSQL", "REDIS":
			r.warnf("IGNORED-VALUE", path+".protocol", "%s is handled as TCP", strings.ToUpper(p.Protocol))
		case "UDP":
			r.errorf("UNSUPPORTED-FIELD", path+".protocol", "UDP is not supported")
		default:
			r.errorf("BAD-VALUE", path+".protocol", "%q is no protocol", shorten(p.Protocol))
			r.hint("one of HTTP, HTTP2, GRPC, HTTPS, TLS, TCP")
		}
		out = append(out, model.Port{
			Name: p.Name, Number: p.Number, Protocol: model.ParseProtocol(p.Protocol, p.Name), Target: p.TargetPort, Pos: r.pos(path),
		})
	}
	return out
}

// entryAddress gives the entry's own address; the model has room for one.
func (r reporter) entryAddress(in *networking.ServiceEntry) string {
	switch len(in.Addresses) {
	case 0:
		return ""
	case 1:
		if prefix, err := netip.ParsePrefix(in.Addresses[0]); err == nil {
			if !prefix.IsSingleIP() {
				r.errorf("UNSUPPORTED-FIELD", "spec.addresses[0]", "ranges of addresses are not supported yet")
				return ""
			}
			return prefix.Addr().String()
		}
		return r.address(in.Addresses[0], "spec.addresses[0]")
	}
	r.errorf("UNSUPPORTED-FIELD", "spec.addresses[1]", "more than one address is not supported yet")
	r.hint("write a ServiceEntry for each")
	return ""
}

// address checks an IP address.
func (r reporter) address(in, path string) string {
	a, err := netip.ParseAddr(in)
	if err != nil {
		r.errorf("BAD-VALUE", path, "%q is no IP address", shorten(in))
		return ""
	}
	return a.String()
}

func (r reporter) entryEndpoints(in *networking.ServiceEntry, host string, report bool) []model.Endpoint {
	targets := map[uint32]uint32{}
	byName := map[string]uint32{}
	for _, p := range in.Ports {
		byName[p.Name] = p.Number
		targets[p.Number] = p.Number
		if p.TargetPort != 0 {
			targets[p.Number] = p.TargetPort
		}
	}
	if len(in.Endpoints) == 0 {
		if in.Resolution == networking.ServiceEntry_DNS && !strings.HasPrefix(host, "*") {
			return []model.Endpoint{{Address: host, Ports: targets}}
		}
		return nil
	}
	var out []model.Endpoint
	for i, e := range in.Endpoints {
		path := at("spec.endpoints", i)
		ports := maps.Clone(targets)
		for _, name := range slices.Sorted(maps.Keys(e.Ports)) {
			number, ok := byName[name]
			if !ok && report {
				r.errorf("UNKNOWN-PORT", joinPath(path+".ports", name), "the entry has no port named %q", name)
				r.hint("%s", DidYouMean(name, slices.Sorted(maps.Keys(byName))))
			}
			if report {
				r.port(e.Ports[name], joinPath(path+".ports", name))
			}
			if ok {
				ports[number] = e.Ports[name]
			}
		}
		if report {
			r.endpointAddress(in, e.Address, path+".address")
		}
		out = append(out, model.Endpoint{
			Address: e.Address, Ports: ports, Labels: copyLabels(e.Labels), Locality: model.ParseLocality(e.Locality), Weight: e.Weight,
		})
	}
	return out
}

func (r reporter) endpointAddress(in *networking.ServiceEntry, address, path string) {
	_, err := netip.ParseAddr(address)
	switch {
	case address == "":
		r.missing(path, "an endpoint needs an address")
	case strings.HasPrefix(address, "unix:"):
		r.errorf("UNSUPPORTED-FIELD", path, "Unix sockets are not supported")
	case err != nil && in.Resolution == networking.ServiceEntry_STATIC:
		r.errorf("BAD-VALUE", path, "with resolution STATIC an endpoint's address is an IP address, not %q", shorten(address))
		r.hint("for names, say resolution: DNS")
	case err != nil && !validHost(address):
		r.errorf("BAD-HOST", path, "%q is no host", shorten(address))
	}
}

// splitList reads a list whose items are separated by commas.
func splitList(s string) []string {
	var out []string
	for w := range strings.SplitSeq(s, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}
