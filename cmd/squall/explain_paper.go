package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/registry/static"
	"github.com/squallmesh/squall/mesh/xds/eval"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// paperMesh is an app with rules, of which nothing runs: every workload has a made-up address.
type paperMesh struct {
	set      config.Set
	snap     model.Snapshot
	proxies  []*model.Proxy
	problems diag.List
}

// newPaperMesh gives an error if the rules are invalid; warnings are in problems.
func newPaperMesh(app, relativeTo string, rules []config.File, capture model.Capture) (*paperMesh, error) {
	a, _, err := loadApp(appName(app, relativeTo))
	if err != nil {
		return nil, err
	}
	docs, problems := config.Parse(append(slices.Clone(a.Manifests), rules...)...)
	settings := model.DefaultMesh()
	settings.Capture = capture
	p := paperOf(config.Set{}.With(docs...), settings)
	p.problems = append(problems, p.problems...)
	return p, p.problems.Err()
}

// paperOf places the workloads of manifests and builds the mesh that the rules beside them make.
func paperOf(set config.Set, settings *model.Mesh) *paperMesh {
	p := &paperMesh{set: set, snap: model.Snapshot{Mesh: settings, Trust: &model.Trust{}}}
	p.place()
	var workloads []*model.Workload
	for _, proxy := range p.proxies {
		workloads = append(workloads, proxy.Workload)
	}
	p.snap, p.problems = config.Build(p.set, p.snap, workloads)
	return p
}

// effects names what each proxy does, by its id.
func (p *paperMesh) effects() map[string][]string {
	tr := translate.New()
	tr.Update(p.snap)
	out := map[string][]string{}
	for _, proxy := range p.proxies {
		tr.SetProxy(proxy)
		out[proxy.ID] = tr.View(proxy.ID).Effect()
	}
	return out
}

// place makes a sidecar for each instance, and the gateway that every mesh here has.
func (p *paperMesh) place() {
	services := config.Services(p.set, "")
	p.add(model.Router, &model.Workload{
		Name: platform.GatewayName, Owner: platform.GatewayName, Namespace: "istio-system", ServiceAccount: platform.GatewayName,
		Labels: map[string]string{"istio": "ingressgateway", "app": platform.GatewayName}, Address: "127.0.0.1",
	})
	for i, inst := range config.Instances(p.set) {
		w := &model.Workload{
			Name: inst.Name, Owner: inst.Owner, Namespace: inst.Namespace, ServiceAccount: inst.ServiceAccount,
			Labels: inst.Labels, Locality: inst.Locality, Pos: inst.Pos,
			Address: fmt.Sprintf("127.1.%d.%d", (i+1)/250, (i+1)%250+1), ProxyPort: translate.VirtualOutboundPort,
			Inbound: static.Inbound(inst, services),
		}
		for n := range w.Inbound {
			in := &w.Inbound[n]
			in.App.Address = w.Address
			if p.snap.Mesh.Capture == model.CaptureProxy {
				in.Listen = model.Socket{Address: w.Address, Port: in.App.Port}
				in.App.Address = "127.2" + strings.TrimPrefix(w.Address, "127.1")
			}
		}
		p.add(model.Sidecar, w)
	}
}

func (p *paperMesh) add(kind model.ProxyKind, w *model.Workload) {
	p.proxies = append(p.proxies, &model.Proxy{ID: mesh.ProxyID(kind, w), Kind: kind, Workload: w})
}

// explain evaluates a request at the proxy of a workload.
func (p *paperMesh) explain(from string, req eval.Request) (*explained, error) {
	proxy, err := p.proxy(from)
	if err != nil {
		return nil, err
	}
	tr := translate.New()
	tr.Update(p.snap)
	tr.SetProxy(proxy)
	conf, err := eval.FromView(tr.View(proxy.ID))
	if err != nil {
		return nil, err
	}
	req.Address = p.addressOf(req.Authority, proxy.Workload.Namespace)
	res, err := evaluateAt(conf, proxy.ID, req)
	if err != nil {
		return nil, err
	}
	out := &explained{From: proxy.Workload.Name, Proxy: proxy.ID, Result: res, Workloads: map[string]string{}}
	for _, other := range p.proxies {
		out.Workloads[other.Workload.Address] = other.Workload.Name
	}
	p.trace(res, proxy.Workload.Namespace)
	out.Permissions = p.permissions(proxy, req, res)
	return out, nil
}

// addressOf gives the address of the service that a caller means, where the kernel captures traffic: a connection goes to an
// address, not to a name.
func (p *paperMesh) addressOf(authority, namespace string) string {
	if p.snap.Mesh.Capture != model.CaptureRedirect {
		return ""
	}
	host, _, _ := strings.Cut(authority, ":")
	for full, s := range p.snap.Services.All() {
		if host == full || host == s.Name+"."+s.Namespace || host == s.Name+"."+s.Namespace+".svc" || host == s.Name && s.Namespace == namespace {
			return s.Address
		}
	}
	return host
}

// proxy finds a proxy by its workload, its Deployment (whose first instance is taken), or a beginning that fits one Deployment.
func (p *paperMesh) proxy(name string) (*model.Proxy, error) {
	var owners, names []string
	var found *model.Proxy
	for _, proxy := range p.proxies {
		w := proxy.Workload
		if w.Name == name || w.Owner == name {
			return proxy, nil
		}
		if !slices.Contains(names, w.Owner) {
			names = append(names, w.Owner)
		}
		if strings.HasPrefix(w.Owner, name) && !slices.Contains(owners, w.Owner) {
			owners = append(owners, w.Owner)
			found = proxy
		}
	}
	if len(owners) == 1 {
		return found, nil
	}
	slices.Sort(names)
	hint := "; there are " + strings.Join(names, ", ")
	if len(owners) == 0 {
		if did := config.DidYouMean(name, names); did != "" {
			hint += "; " + did
		}
		return nil, fmt.Errorf("no workload is called %q%s", name, hint)
	}
	return nil, errors.New("several workloads are called " + name + "...: " + strings.Join(owners, ", "))
}

// trace says where each setting is written.
func (p *paperMesh) trace(res *eval.Result, namespace string) {
	if taken := res.Taken(); taken != nil {
		if doc, path := p.routeAt(taken.Rule); doc != nil {
			mark(res.Settings, doc, path+".")
		}
	}
	for i := range res.Shares {
		p.traceCluster(&res.Shares[i], namespace)
	}
}

// routeAt finds the document and the path of a route by its place.
func (p *paperMesh) routeAt(pos diag.Pos) (*config.Document, string) {
	for _, doc := range p.set.Documents() {
		if doc.Kind != "VirtualService" || doc.Pos.File != pos.File {
			continue
		}
		for i := 0; ; i++ {
			path := fmt.Sprintf("spec.http[%d]", i)
			at, ok := doc.Written(path)
			if !ok {
				break
			}
			if at == pos {
				return doc, path
			}
		}
	}
	return nil, ""
}

// mark fills in where settings are written below a path, unless a narrower policy already has it.
func mark(list []eval.Setting, doc *config.Document, below string) {
	for i := range list {
		if !list[i].Rule.IsZero() {
			continue
		}
		if pos, ok := doc.Written(below + list[i].Name); ok {
			list[i].Rule = pos
		}
	}
}

// traceCluster looks through the policies of a cluster's DestinationRule, the narrowest first.
func (p *paperMesh) traceCluster(s *eval.Share, namespace string) {
	_, port, subset, host, ok := translate.ParseCluster(s.Cluster)
	if !ok || host == "" {
		return
	}
	rule := p.snap.DestinationRule(host, namespace)
	if rule == nil {
		return
	}
	doc := p.set.Get("DestinationRule", rule.Namespace, rule.Name)
	if doc == nil {
		return
	}
	look := func(policy *model.TrafficPolicy, path string) (whole bool) {
		if policy == nil {
			return false
		}
		for i, pp := range policy.Ports {
			if pp.Port == port {
				mark(s.Settings, doc, fmt.Sprintf("%s.portLevelSettings[%d].", path, i))
				return true // nothing of the wider policy holds for this port
			}
		}
		mark(s.Settings, doc, path+".")
		return false
	}
	for i, sub := range rule.Subsets {
		if sub.Name == subset && look(sub.Policy, fmt.Sprintf("spec.subsets[%d].trafficPolicy", i)) {
			return
		}
	}
	look(rule.Policy, "spec.trafficPolicy")
}
