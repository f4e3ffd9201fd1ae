package lint

import (
	"slices"
	"sort"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// gatewaySelectsNothing finds gateways that no proxy takes on.
func gatewaySelectsNothing(p *pass) {
	if len(p.Routers) == 0 {
		return
	}
	for _, g := range p.Snapshot.Gateways.All() {
		if slices.ContainsFunc(p.Routers, func(w *model.Workload) bool { return model.Labels(w.Labels, g.Selector) }) {
			continue
		}
		pos := g.Pos
		if doc := p.Set.Get("Gateway", g.Namespace, g.Name); doc != nil {
			pos = doc.Where("spec.selector")
		}
		p.report(pos, "the ingress gateway has the labels "+labelText(p.Routers[0].Labels),
			"the gateway opens no port: none of the %d gateway proxies has the labels %s", len(p.Routers), labelText(g.Selector))
	}
}

func labelText(labels map[string]string) string {
	var out []string
	for k, v := range labels { // sorted below
		out = append(out, k+"="+v)
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}
