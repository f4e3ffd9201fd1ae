package assert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/xds/translate"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// ejected judges which endpoints a proxy threw out during the phase, and whether they came back.
func ejected(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	k := c.Ejected
	q := &spec.Requests{From: k.Proxy, To: k.To}
	if !slices.ContainsFunc(r.HopsWithin(p), func(h telemetry.Hop) bool { return h.Direction != telemetry.Inbound && fromTo(r, q, h) }) {
		return inconclusive("%s did not call %s in phase %s, so nothing could be ejected", k.Proxy, k.To, p.Name)
	}
	var out []string
	stuck := ""
	for _, e := range r.Ejections {
		_, port, _, host, ok := translate.ParseCluster(e.Cluster)
		if !ok || e.Proxy != k.Proxy || !strings.HasPrefix(host, k.To+".") && host != k.To || k.Port != 0 && k.Port != port {
			continue
		}
		if e.From >= p.To || e.To != 0 && e.To < p.From {
			continue
		}
		if !slices.Contains(out, e.Workload) {
			out = append(out, e.Workload)
		}
		if e.To == 0 || e.To > p.To {
			stuck = e.Workload
		}
	}
	slices.Sort(out)
	want := slices.Sorted(slices.Values(k.Workloads))
	o := outcome{
		verdict: record.Pass, measured: "ejected " + names(out), want: "ejected " + names(want), samples: len(r.Ejections),
		reason: fmt.Sprintf("%s ejected %s, wanted %s", k.Proxy, names(out), names(want)),
	}
	switch {
	case !slices.Equal(out, want):
		o.verdict = record.Fail
	case k.Back && stuck != "":
		o.verdict, o.reason = record.Fail, fmt.Sprintf("%s was still out at the end of phase %s", stuck, p.Name)
	}
	return o
}

func names(list []string) string {
	if len(list) == 0 {
		return "nobody"
	}
	return strings.Join(list, ", ")
}
