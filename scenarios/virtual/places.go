package virtual

import (
	"fmt"
	"maps"
	"slices"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/registry/static"
)

// gatewayName is the ingress gateway's workload, as Istio calls it.
const gatewayName = "istio-ingressgateway"

// proxyPort is where a sidecar takes its app's requests.
const proxyPort = 15001

// workload is one instance and its proxy.
type workload struct {
	*model.Workload
	proxy *model.Proxy
	env   map[string]string
}

// places gives workloads their addresses: those that they have in a lab on loopback that is alone on its machine.
type places struct {
	services  []*model.Service
	templates map[string]config.Template
	workloads []*workload
	next      int
}

func newPlaces(docs config.Set, settings *model.Mesh) *places {
	p := &places{services: config.Services(docs, settings.Domain), templates: map[string]config.Template{}}
	p.add(model.Router, &model.Workload{
		Name: gatewayName, Owner: gatewayName, Namespace: "istio-system", ServiceAccount: gatewayName,
		Labels: map[string]string{"istio": "ingressgateway", "app": gatewayName},
	}, nil)
	for _, t := range config.Templates(docs) {
		p.templates[t.Owner] = t
	}
	for _, inst := range config.Instances(docs) {
		p.instance(inst)
	}
	return p
}

// instance places an instance of a Deployment.
func (p *places) instance(inst config.Instance) *workload {
	w := &model.Workload{
		Name: inst.Name, Owner: inst.Owner, Namespace: inst.Namespace, ServiceAccount: inst.ServiceAccount, Labels: inst.Labels,
		Locality: inst.Locality, Pos: inst.Pos, Inbound: static.Inbound(inst, p.services), ProxyPort: proxyPort,
	}
	env := map[string]string{"HOSTNAME": inst.Name, "POD_NAME": inst.Name, "POD_NAMESPACE": inst.Namespace, "WORKLOAD_NAME": inst.Owner}
	maps.Copy(env, inst.Env)
	return p.add(model.Sidecar, w, env)
}

func (p *places) add(kind model.ProxyKind, w *model.Workload, env map[string]string) *workload {
	k := p.next
	p.next++
	// Each workload has a block of its own: .1 is its sidecar, .2 its app.
	block := fmt.Sprintf("127.16.%d.", k)
	if k > 255 {
		block = fmt.Sprintf("127.%d.%d.", 17+k/256, k%256)
	}
	w.Address = block + "1"
	for i := range w.Inbound {
		in := &w.Inbound[i]
		in.Listen = model.Socket{Address: w.Address, Port: in.App.Port}
		in.App.Address = block + "2"
	}
	out := &workload{Workload: w, env: env, proxy: &model.Proxy{ID: string(kind) + "~" + w.Name + "." + w.Namespace, Kind: kind, Workload: w}}
	p.workloads = append(p.workloads, out)
	return out
}

// more places count more instances of a Deployment, not ready yet; nil if there is no such Deployment.
func (p *places) more(owner string, numbered, count int) (out []*workload) {
	t, ok := p.templates[owner]
	if !ok {
		return nil
	}
	for i := range count {
		w := p.instance(t.Named(numbered + i))
		w.NotReady = true
		out = append(out, w)
	}
	return out
}

// changed replaces a workload's model by a copy with another readiness: snapshots keep what they were given.
func (w *workload) ready(yes bool) {
	c := *w.Workload
	c.NotReady = !yes
	w.Workload = &c
	w.proxy = &model.Proxy{ID: w.proxy.ID, Kind: w.proxy.Kind, Workload: &c}
}

func (p *places) remove(list []*workload) {
	p.workloads = slices.DeleteFunc(p.workloads, func(w *workload) bool { return slices.Contains(list, w) })
}

// models are the workloads that snapshots know.
func (p *places) models() (out []*model.Workload) {
	for _, w := range p.workloads {
		out = append(out, w.Workload)
	}
	return out
}

func (p *places) proxies() (out []*model.Proxy) {
	for _, w := range p.workloads {
		out = append(out, w.proxy)
	}
	return out
}

// find gives an instance by its name, or the first of a Deployment.
func (p *places) find(name string) (*workload, bool) {
	for _, w := range p.workloads {
		if w.Name == name || w.Owner == name {
			return w, true
		}
	}
	return nil, false
}

// of gives the instances of a Deployment, the oldest first.
func (p *places) of(owner string) (out []*workload) {
	for _, w := range p.workloads {
		if w.Owner == owner {
			out = append(out, w)
		}
	}
	return out
}

// is tells whether a name means the workload.
func (w *workload) is(name string) bool {
	return w.Name == name || w.Owner == name || w.Labels["app"] == name
}
