package config

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

func (b *build) destinationRule(doc *Document) *model.DestinationRule {
	in := doc.message.(*networking.DestinationRule)
	r := b.reporter(doc)
	out := &model.DestinationRule{
		Name: doc.Name, Namespace: doc.Namespace, Host: b.host(in.Host, doc.Namespace),
		Policy: r.trafficPolicy(in.TrafficPolicy, "spec.trafficPolicy"), ExportTo: r.exportTo(in.ExportTo, "spec.exportTo"), Pos: doc.Pos,
	}
	switch {
	case in.Host == "":
		r.missing("spec.host", "a DestinationRule needs a host")
	case !validHost(in.Host):
		r.errorf("BAD-HOST", "spec.host", "%q is no host", shorten(in.Host))
	case out.Host[0] != '*' && b.resolver.service(out.Host) == nil:
		r.warnf("UNKNOWN-HOST", "spec.host", "no service stands for the host %q", in.Host)
		r.hint("%s", b.suggest(in.Host, doc.Namespace))
	}
	names := map[string]bool{}
	for i, s := range in.Subsets {
		path := at("spec.subsets", i)
		switch {
		case s.Name == "":
			r.missing(path+".name", "a subset needs a name")
		case names[s.Name]:
			r.errorf("DUPLICATE-NAME", path+".name", "the subset %q is named twice", s.Name)
		case !objectName.MatchString(s.Name) && !headerToken.MatchString(s.Name):
			r.errorf("BAD-NAME", path+".name", "%q is no name of a subset", shorten(s.Name))
		}
		names[s.Name] = true
		out.Subsets = append(out.Subsets, &model.Subset{
			Name: s.Name, Labels: copyLabels(s.Labels), Policy: r.trafficPolicy(s.TrafficPolicy, path+".trafficPolicy"), Pos: r.pos(path),
		})
	}
	return out
}

func (r reporter) trafficPolicy(in *networking.TrafficPolicy, path string) *model.TrafficPolicy {
	if in == nil {
		return nil
	}
	out := r.portPolicy(in.LoadBalancer, in.ConnectionPool, in.OutlierDetection, in.Tls, path)
	out.RetryBudget = r.retryBudget(in.RetryBudget, path+".retryBudget")
	seen := map[uint32]bool{}
	for i, p := range in.PortLevelSettings {
		at := at(path+".portLevelSettings", i)
		n := p.Port.GetNumber()
		if n == 0 {
			r.missing(at+".port.number", "portLevelSettings need a port number")
			continue
		}
		r.port(n, at+".port.number")
		if seen[n] {
			r.errorf("DUPLICATE-NAME", at+".port.number", "the port %d has settings twice", n)
		}
		seen[n] = true
		out.Ports = append(out.Ports, model.PortPolicy{
			Port: n, Policy: r.portPolicy(p.LoadBalancer, p.ConnectionPool, p.OutlierDetection, p.Tls, at),
		})
	}
	return out
}

// portPolicy converts the parts that a whole policy and one for a port share.
func (r reporter) portPolicy(lb *networking.LoadBalancerSettings, pool *networking.ConnectionPoolSettings,
	outlier *networking.OutlierDetection, tls *networking.ClientTLSSettings, path string,
) *model.TrafficPolicy {
	return &model.TrafficPolicy{
		LoadBalancer: r.loadBalancer(lb, path+".loadBalancer"),
		Pool:         r.connectionPool(pool, path+".connectionPool"),
		Outlier:      r.outlier(outlier, path+".outlierDetection"),
		TLS:          r.clientTLS(tls, path+".tls"),
		Pos:          r.pos(path),
	}
}
