package addons

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/graph"
)

// serveMetrics writes every series in Prometheus' text format.
func (s *Server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	points := slices.Concat(s.metrics.Sample(time.Now()), s.gauges)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	out := bufio.NewWriter(w)
	defer func() { _ = out.Flush() }() // the caller has left if it fails
	family := ""
	slices.SortStableFunc(points, func(a, b telemetry.Point) int { return strings.Compare(base(a.Name), base(b.Name)) })
	for _, p := range points {
		if name := base(p.Name); name != family {
			family = name
			kind := "counter"
			switch {
			case name != p.Name:
				kind = "histogram"
			case !strings.HasPrefix(name, "istio_"):
				kind = "gauge"
			}
			_, _ = fmt.Fprintf(out, "# TYPE %s %s\n", name, kind)
		}
		pairs := make([]string, len(p.Labels))
		for i, l := range p.Labels {
			pairs[i] = fmt.Sprintf(`%s="%s"`, l.Name, escaper.Replace(l.Value))
		}
		_, _ = fmt.Fprintf(out, "%s{%s} %s\n", p.Name, strings.Join(pairs, ","), strconv.FormatFloat(p.Value, 'g', -1, 64))
	}
}

// escaper writes what a label's value in the text format may not hold as it is.
var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// base is the name of the family that a series of a histogram belongs to.
func base(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if cut, ok := strings.CutSuffix(name, suffix); ok {
			return cut
		}
	}
	return name
}

func writeJSON(w http.ResponseWriter, g graph.Graph) error {
	return json.NewEncoder(w).Encode(g) //nolint:wrapcheck // the caller has left
}
