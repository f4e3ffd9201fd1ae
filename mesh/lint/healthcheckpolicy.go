package lint

import (
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/authz"
)

// checked is a health check, and a port of a service that it is for.
type checked struct {
	*model.HealthCheck
	service *model.Service
	port    model.Port
}

// eachCheck goes through the checks that some caller of a service's own namespace makes.
func (p *pass) eachCheck(do func(checked)) {
	for host, svc := range p.Snapshot.Services.All() {
		policy := p.Snapshot.HealthCheckPolicy(host, svc.Namespace)
		if policy == nil {
			continue
		}
		subsets := []string{""}
		for _, s := range policy.Subsets {
			subsets = append(subsets, s.Name)
		}
		for _, port := range svc.Ports {
			for _, subset := range subsets {
				if c := policy.For(subset, port.Number); c != nil {
					do(checked{c, svc, port})
				}
			}
		}
	}
}

// healthCheckBlind finds checks that only connect, and so meet nobody but the endpoint's sidecar.
func healthCheckBlind(p *pass) {
	p.eachCheck(func(c checked) {
		if c.TCP == nil || *c.TCP != (model.TCPHealthCheck{}) || c.service.External {
			return
		}
		p.report(c.Pos, "check by http or grpc, or let tcp send something and receive an answer",
			"a check that only connects is answered by the sidecar of an endpoint of %s at port %d, before it knows whether its app is there", shortHost(c.service.Host), c.port.Number)
	})
}

// healthCheckRefused finds checks by HTTP and gRPC that authorization refuses, whoever asks.
func healthCheckRefused(p *pass) {
	p.eachCheck(func(c checked) {
		if c.TCP != nil {
			return
		}
		list := p.Snapshot.Endpoints.At(c.service.Host)
		if list == nil {
			return
		}
		asked := 0
		var by *authz.Decision
		for _, e := range list.List {
			w := p.Snapshot.Workloads.At(e.Workload)
			port, has := e.Ports[c.port.Number]
			if w == nil || !has {
				continue
			}
			for _, caller := range p.Snapshot.Workloads.All() {
				d := authz.Decide(p.Snapshot.Authorizations(w.Namespace, w.Labels), p.question(c, caller, port))
				if d.Allowed || d.Asked != nil {
					return
				}
				asked++
				by = &d
			}
		}
		if asked == 0 {
			return
		}
		why := "no ALLOW policy lets them pass"
		if by.By != nil {
			why = "the rule at " + by.By.Pos().String() + " does, for one"
		}
		p.report(c.Pos, "allow the checks' path, or ask for one that is allowed",
			"AuthorizationPolicies refuse these checks at each endpoint of %s, whoever of the %d workloads asks (%s): nobody is ever well", shortHost(c.service.Host), p.Snapshot.Workloads.Len(), why)
	})
}

// question is what a check asks, as an endpoint's sidecar sees it.
func (p *pass) question(c checked, caller *model.Workload, port uint32) authz.Request {
	out := authz.Request{
		Principal: model.IdentityOf(p.Snapshot.Mesh.TrustDomain, caller.Namespace, caller.ServiceAccount), DestinationPort: port, Host: c.service.Host,
		Header: map[string][]string{"user-agent": {"Envoy/HC"}},
	}
	if c.GRPC != nil {
		out.Method, out.Path = "POST", "/grpc.health.v1.Health/Check"
		if c.GRPC.Authority != "" {
			out.Host = c.GRPC.Authority
		}
		out.Header["content-type"] = []string{"application/grpc"}
		return out
	}
	out.Method, out.Path = c.HTTP.Method, c.HTTP.Path
	if out.Method == "" {
		out.Method = "GET"
	}
	if c.HTTP.Host != "" {
		out.Host = c.HTTP.Host
	}
	return out
}
