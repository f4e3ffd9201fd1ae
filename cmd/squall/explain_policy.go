package main

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/authz"
	"github.com/squallmesh/squall/mesh/xds/eval"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// permission is what the AuthorizationPolicies of a workload say of a request.
type permission struct {
	// At is the workload whose proxy decides.
	At string `json:"at"`
	// Caller is the identity that it sees; empty without mTLS.
	Caller  string `json:"caller,omitempty"`
	Allowed bool   `json:"allowed"`
	// By is the rule that decides, as Envoy names it; empty where none matches.
	By   string   `json:"by,omitempty"`
	Rule diag.Pos `json:"rule,omitzero"`
	// Asked is the provider that is asked first, and may refuse; empty where none is.
	Asked string `json:"asked,omitempty"`
	// OnTrial is what policies under dry run would say.
	OnTrial string `json:"onTrial,omitempty"`
	// Unsure says that addresses matter, which are made up here.
	Unsure bool `json:"unsure,omitempty"`
}

// permissions asks the policies of everybody that the request may reach, in order of their names, and those of a gateway that takes it.
func (p *paperMesh) permissions(from *model.Proxy, req eval.Request, res *eval.Result) []permission {
	var out []permission
	if from.Kind == model.Router {
		out = p.permission(out, from.Workload, "", req.Authority, req.Path, req, 0)
	}
	for _, s := range res.Shares {
		_, port, subset, host, ok := translate.ParseCluster(s.Cluster)
		if !ok {
			continue
		}
		for _, e := range p.endpointsOf(s) {
			caller := ""
			number := p.portOf(e, host, port)
			if p.mutual(from.Workload, e, host, subset, port, number) {
				caller = model.IdentityOf(p.snap.Mesh.TrustDomain, from.Workload.Namespace, from.Workload.ServiceAccount)
			}
			out = p.permission(out, e, caller, cmp.Or(s.Authority, res.Authority), res.Path, req, number)
		}
	}
	slices.SortStableFunc(out, func(a, b permission) int { return strings.Compare(a.At, b.At) })
	return slices.CompactFunc(out, func(a, b permission) bool { return a.At == b.At })
}

// endpointsOf are the workloads behind a share.
func (p *paperMesh) endpointsOf(s eval.Share) []*model.Workload {
	var out []*model.Workload
	for _, e := range s.Endpoints {
		host := e.Address[:strings.LastIndexByte(e.Address, ':')]
		for _, proxy := range p.proxies {
			if proxy.Workload.Address == host && !slices.Contains(out, proxy.Workload) {
				out = append(out, proxy.Workload)
			}
		}
	}
	return out
}

// portOf is the workload's own number of a service's port.
func (p *paperMesh) portOf(w *model.Workload, host string, port uint32) uint32 {
	for _, in := range w.Inbound {
		if in.Host == host && in.Port == port {
			return in.App.Port
		}
	}
	return port
}

// mutual reports whether a caller shows its identity to a workload.
func (p *paperMesh) mutual(from, to *model.Workload, host, subset string, port, number uint32) bool {
	if t := p.snap.DestinationRule(host, from.Namespace).For(subset, port).TLS; t != nil {
		return t.Mode == model.TLSIstio
	}
	svc := p.snap.Services.At(host)
	return svc != nil && !svc.External && svc.Resolution != model.None && p.snap.MTLS(to.Namespace, to.Labels).Port(number) != model.MTLSDisable
}

func (p *paperMesh) permission(out []permission, at *model.Workload, caller, host, path string, req eval.Request, port uint32) []permission {
	policies := p.snap.Authorizations(at.Namespace, at.Labels)
	if len(policies) == 0 {
		return out
	}
	local, _ := netip.ParseAddr(at.Address)
	d := authz.Decide(policies, authz.Request{
		Principal: caller, DestinationIP: local, DestinationPort: port, Method: req.Method, Host: host, Path: path, Header: req.Header,
	})
	one := permission{At: at.Name, Caller: caller, Allowed: d.Allowed, Unsure: authz.AsksAddresses(policies)}
	if d.By != nil {
		one.By, one.Rule = d.By.String(), d.By.Pos()
	}
	if d.Asked != nil {
		one.Asked = d.Asked.Policy.Provider
	}
	if t := d.DryRun; t != nil {
		one.OnTrial = "would be refused"
		if t.Allowed {
			one.OnTrial = "would be allowed"
		}
		if t.By != nil {
			one.OnTrial += " by " + t.By.String()
		}
	}
	return append(out, one)
}

func (p *explainPrinter) permissions(list []permission) {
	for _, one := range list {
		text := one.At + ": allowed"
		switch {
		case !one.Allowed && one.By != "":
			text = one.At + ": 403, denied by " + one.By
		case !one.Allowed:
			text = one.At + ": 403, no policy allows it"
		case one.By != "":
			text += " by " + one.By
		default:
			text += ": no policy denies it"
		}
		p.line("policy", text, one.Rule.String())
		if one.Caller != "" {
			p.line("", "  the caller is "+one.Caller, "")
		}
		if one.Asked != "" {
			p.line("", "  before that the provider "+one.Asked+" is asked, which may refuse", "")
		}
		if one.OnTrial != "" {
			p.line("", "  with the policies on trial it "+one.OnTrial, "")
		}
		if one.Unsure {
			p.line("", "  the policies ask for addresses, which are made up here", "")
		}
	}
}
