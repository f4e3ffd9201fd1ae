package assert

import (
	"fmt"
	"strings"

	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// counter judges the growth of one of a proxy's own counters over the phase. Growth that may be zero needs traffic on the
// same cluster: a zero of a cluster that nobody called means nothing.
func counter(r *record.Run, _ int, c spec.Check, p record.Phase) outcome {
	k := c.Counter
	w := r.Counters[p.Name][k.Proxy]
	if w.Begin == nil || w.End == nil {
		return inconclusive("the counters of %s were not read at both edges of phase %s", k.Proxy, p.Name)
	}
	if w.End[k.Name] < w.Begin[k.Name] {
		return inconclusive("%s fell: %s was restarted in phase %s, and what it had counted is lost", k.Name, k.Proxy, p.Name)
	}
	delta, ok := growth(w, k.Name)
	if !ok {
		return inconclusive("%s has no counter %s", k.Proxy, k.Name)
	}
	traffic := k.Traffic
	if traffic == "" && k.Delta.Holds(0) {
		traffic = trafficOf(k.Name)
		if traffic == "" && delta == 0 {
			return inconclusive("a zero of %s means nothing by itself: say with traffic: which counter of %s must have grown", k.Name, k.Proxy)
		}
	}
	if traffic != "" {
		if n, ok := growth(w, traffic); !ok || n == 0 {
			return inconclusive("%s of %s did not grow: without traffic the counter means nothing", traffic, k.Proxy)
		}
	}
	return compare(fmt.Sprintf("growth of %s at %s", k.Name, k.Proxy), k.Delta, float64(delta), int(delta))
}

// growth is a counter's increase; a counter that was made in the meantime began at 0.
func growth(w record.Window, name string) (uint64, bool) {
	end, ok := w.End[name]
	if !ok {
		return 0, false
	}
	return end - min(end, w.Begin[name]), true
}

// trafficOf names the counter that shows traffic on the same cluster, or "".
func trafficOf(name string) string {
	if !strings.HasPrefix(name, "cluster.") {
		return ""
	}
	i := strings.LastIndex(name, ";.")
	if i < 0 {
		return ""
	}
	return name[:i] + ";.upstream_rq_total"
}
