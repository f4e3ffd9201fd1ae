package assert

import (
	"fmt"
	"math"

	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// query judges every sample of a query's result. A query that fails, or gives nothing, is no evidence.
func query(r *record.Run, index int, c spec.Check, _ record.Phase) outcome {
	res, ok := r.PromQL[index]
	switch {
	case !ok:
		return inconclusive("the query was not evaluated")
	case res.Error != "":
		return inconclusive("the query failed: %s", res.Error)
	case len(res.Samples) == 0:
		return inconclusive("the query gave no samples")
	}
	var out []outcome
	for _, s := range res.Samples {
		if math.IsNaN(s.Value) {
			// 0/0: a share of no requests.
			out = append(out, inconclusive("a sample of the result is not a number: there was nothing to divide"))
			continue
		}
		if math.IsInf(s.Value, 0) && c.Is.Holds(s.Value) {
			out = append(out, inconclusive("a sample of the result is infinite: it was divided by nothing"))
			continue
		}
		what := "result"
		if s.Labels != "" {
			what = fmt.Sprintf("result %s", s.Labels)
		}
		out = append(out, compare(what, *c.Is, s.Value, len(res.Samples)))
	}
	return join(out)
}
