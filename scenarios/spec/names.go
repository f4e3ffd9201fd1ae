package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
)

// gatewayName is the ingress gateway that every lab has.
const gatewayName = "istio-ingressgateway"

// CheckNames compares every workload, service and login that the scenario names with those that its app and its rules have.
func (f *File) CheckNames(app *config.App) diag.List {
	files := slices.Concat(app.Manifests, f.Rules)
	for _, i := range slices.Sorted(maps.Keys(f.Items)) {
		files = append(files, f.Items[i]...)
	}
	docs, _ := config.Parse(files...) // what is wrong with them is reported elsewhere
	n := namesOf(f, config.Set{}.With(docs...))
	for i, l := range f.Spec.Load {
		at := fmt.Sprintf("spec.load[%d].request", i)
		n.workload(at+".from", l.Request.From)
		if _, ok := app.Logins[l.Request.As]; !ok && l.Request.As != "" {
			n.unknown(at+".as", "login", l.Request.As, slices.Sorted(maps.Keys(app.Logins)))
		}
	}
	for i, item := range f.Spec.Timeline {
		n.item(fmt.Sprintf("spec.timeline[%d]", i), item)
	}
	for i, c := range f.Spec.Checks {
		n.check(fmt.Sprintf("spec.checks[%d]", i), c)
	}
	return n.problems
}

type names struct {
	file      *File
	problems  diag.List
	workloads map[string]bool
	services  map[string]bool
	// deployments are those of workloads that are Deployments.
	deployments map[string]bool
}

func namesOf(f *File, set config.Set) *names {
	n := &names{file: f, workloads: map[string]bool{gatewayName: true}, services: map[string]bool{}, deployments: map[string]bool{}}
	for _, t := range config.Templates(set) {
		n.workloads[t.Owner], n.deployments[t.Owner] = true, true
		if app := t.Labels["app"]; app != "" {
			n.workloads[app] = true
		}
		for i := range t.Replicas {
			n.workloads[t.Named(i).Name] = true
		}
	}
	for _, item := range f.Spec.Timeline {
		if s := item.Scale; s != nil {
			for i := range min(max(0, s.Replicas), 100) {
				n.workloads[fmt.Sprintf("%s-%d", s.Workload, i)] = true
			}
		}
	}
	for _, s := range config.Services(set, "") {
		n.services[s.Host] = true
		if short, local := strings.CutSuffix(s.Host, ".svc.cluster.local"); local {
			n.services[short] = true
			if name, ns, _ := strings.Cut(short, "."); ns == config.DefaultNamespace {
				n.services[name] = true
			}
		}
	}
	return n
}

func (n *names) unknown(at, what, name string, known []string) {
	n.problems.Add(diag.Diagnostic{
		Code: "UNKNOWN-" + strings.ToUpper(what), Pos: n.file.Where(at), Path: at, Message: fmt.Sprintf("there is no %s %q", what, name),
	})
	if hint := config.DidYouMean(name, known); hint != "" {
		n.problems.Hint("%s", hint)
	}
}

func (n *names) workload(at, name string) {
	if name != "" && !n.workloads[name] {
		n.unknown(at, "workload", name, slices.Sorted(maps.Keys(n.workloads)))
	}
}

func (n *names) service(at, name string) {
	if name != "" && !n.services[name] {
		n.unknown(at, "service", name, slices.Sorted(maps.Keys(n.services)))
	}
}

// called checks a workload, or a service, that is called.
func (n *names) called(at, name string) {
	if !n.services[name] {
		n.workload(at, name)
	}
}

// by checks the workload whose label tells requests apart.
func (n *names) by(at, by string) {
	if b, err := ParseBy(by); err == nil {
		n.called(at+".by", b.Workload)
	}
}

func (n *names) item(at string, item Item) {
	if f := item.Fault; f != nil {
		for kind, h := range map[string]*HTTPFault{"delay": f.Delay, "abort": f.Abort} {
			if h != nil {
				n.service(at+".fault."+kind+".to", h.To)
				n.workload(at+".fault."+kind+".from", h.From)
			}
		}
		for kind, p := range map[string]*Process{"kill": f.Kill, "pause": f.Pause} {
			if p != nil {
				n.workload(at+".fault."+kind+".workload", p.Workload)
			}
		}
		if kind, net := f.NetworkKind(); net != nil {
			n.workload(at+".fault."+kind+".from", net.From)
			n.workload(at+".fault."+kind+".to", net.To)
		}
	}
	if item.Scale != nil && !n.deployments[item.Scale.Workload] {
		n.unknown(at+".scale.workload", "deployment", item.Scale.Workload, slices.Sorted(maps.Keys(n.deployments)))
	}
	if item.Restart != nil {
		n.workload(at+".restart.workload", item.Restart.Workload)
	}
	if item.Hold != nil {
		n.workload(at+".hold.workload", item.Hold.Workload)
	}
	if item.Release != nil {
		n.workload(at+".release.workload", item.Release.Workload)
	}
	if item.Script != nil {
		n.workload(at+".script.workload", item.Script.Workload)
	}
}

func (n *names) check(at string, c Check) {
	if q := c.Requests; q != nil {
		n.workload(at+".requests.from", q.From)
		n.workload(at+".requests.to", q.To)
	}
	if c.Split != nil {
		n.by(at+".split", c.Split.By)
	}
	if q := c.Rate; q != nil {
		n.workload(at+".rate.from", q.From)
		n.called(at+".rate.to", q.To)
	}
	if c.Compare != nil {
		n.by(at+".compare", c.Compare.By)
	}
	if q := c.Amplification; q != nil {
		n.workload(at+".amplification.from", q.From)
		n.called(at+".amplification.to", q.To)
	}
	if c.Counter != nil {
		n.workload(at+".counter.proxy", c.Counter.Proxy)
	}
	if e := c.Ejected; e != nil {
		n.workload(at+".ejected.proxy", e.Proxy)
		n.service(at+".ejected.to", e.To)
		for i, w := range e.Workloads {
			n.workload(fmt.Sprintf("%s.ejected.workloads[%d]", at, i), w)
		}
	}
}
