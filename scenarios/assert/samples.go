package assert

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/xds/translate"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// due gives a load's requests of a phase in the order in which they were due.
func due(r *record.Run, p record.Phase, load string) []loadgen.Result {
	out := r.Within(p, load)
	slices.SortStableFunc(out, func(a, b loadgen.Result) int {
		return cmp.Or(a.Scheduled.Compare(b.Scheduled), cmp.Compare(a.Load, b.Load), cmp.Compare(a.Seq, b.Seq))
	})
	return out
}

// call is what a caller's proxy logged of one request's way; of is the request's index.
type call struct {
	of  int
	hop telemetry.Hop
}

// calls gives the calls that requests led to, in the order of the requests, by the logs of the callers' proxies.
func calls(r *record.Run, results []loadgen.Result, q *spec.Requests) []call {
	index := map[string]int{}
	for i := range results {
		index[results[i].TraceID] = i
	}
	var out []call
	for _, h := range r.Hops {
		if i, ok := index[h.TraceID]; ok && h.Direction != telemetry.Inbound && !h.TCP && fromTo(r, q, h) {
			out = append(out, call{i, h})
		}
	}
	slices.SortStableFunc(out, func(a, b call) int { return cmp.Or(cmp.Compare(a.of, b.of), a.hop.Time.Compare(b.hop.Time)) })
	return out
}

// sample is one thing that is counted: what it is told apart by, and the index of its request.
type sample struct {
	key string
	of  int
}

// tell tells a load's requests apart. It says why there is nothing to count, or "". A call that its caller's proxy never let out (a fault,
// a limit, no endpoint) was taken by no workload and has no label; it is not counted.
func tell(r *record.Run, p record.Phase, load, what string) (results []loadgen.Result, out []sample, why string) {
	by, err := spec.ParseBy(what)
	if err != nil {
		return nil, nil, err.Error()
	}
	results = due(r, p, load)
	if len(results) == 0 {
		return nil, nil, fmt.Sprintf("load %s sent nothing in phase %s", load, p.Name)
	}
	if by.Kind == spec.ByLabel {
		for _, c := range calls(r, results, &spec.Requests{To: by.Workload}) {
			if c.hop.Attempts > 0 || c.hop.UpstreamAddress != "" || by.Name == bySubset {
				out = append(out, sample{label(r, c.hop, by.Name), c.of})
			}
		}
		if len(out) == 0 {
			why = fmt.Sprintf("load %s led to no calls of %s in phase %s", load, by.Workload, p.Name)
		}
		return results, out, why
	}
	for i := range results {
		out = append(out, sample{key(by, &results[i]), i})
	}
	return results, out, ""
}

// key is what an answer is told apart by.
func key(by spec.By, res *loadgen.Result) string {
	switch by.Kind {
	case spec.ByStatus:
		return fmt.Sprint(res.Status)
	case spec.ByHeader:
		return res.Header[by.Name]
	case spec.ByValue, spec.ByLabel:
	}
	return res.Value
}

// bySubset tells calls apart by where the route led, whether or not they got there.
const bySubset = "subset"

// label is what the workload that took a call has under a name; empty if no workload took it.
func label(r *record.Run, h telemetry.Hop, name string) string {
	if name == bySubset {
		_, _, subset, _, _ := translate.ParseCluster(h.Cluster)
		return subset
	}
	w, ok := r.WorkloadAt(h.UpstreamAddress)
	switch {
	case !ok:
		return ""
	case name == "workload":
		return w.Owner
	}
	return w.Labels[name]
}

// matches tells whether a request came back as asked for.
func matches(a spec.Answer, res *loadgen.Result) bool {
	if a.Status != nil && res.Status != *a.Status || a.Success && !res.Succeeded() || a.Value != "" && res.Value != a.Value {
		return false
	}
	for name, value := range a.Headers {
		if res.Header[name] != value {
			return false
		}
	}
	return true
}

// latencies gives sorted latencies in nanoseconds. A request without a whole answer was slower than any: that it failed soon is no speed.
func latencies(results []loadgen.Result) []float64 {
	out := make([]float64, len(results))
	for i := range results {
		out[i] = math.Inf(1)
		if results[i].Answered() {
			out[i] = float64(results[i].Latency())
		}
	}
	slices.Sort(out)
	return out
}

// during keeps the requests that were due between two times, both included.
func during(results []loadgen.Result, from, to time.Time) []loadgen.Result {
	return slices.DeleteFunc(slices.Clone(results), func(r loadgen.Result) bool { return r.Scheduled.Before(from) || r.Scheduled.After(to) })
}
