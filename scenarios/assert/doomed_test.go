package assert_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/scenarios/assert"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// Whoever stops a run because a check is doomed must be right, whatever the rest of the phase would have brought.
func TestADoomedCheckFailsInTheEnd(t *testing.T) {
	t.Parallel()
	draw := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable, not secret
	texts := []string{"== 100%", ">= 100%", "== 0%", "<= 0%", "> 0%", "< 100%", ">= 50%", "<= 50%", "== 50%", "!= 0%", "== 3", "<= 3", "< 3", ">= 3", "> 3", "!= 3", "== 0", "> 0"}
	times := []string{">= 20ms", "> 20ms", "<= 30ms", "< 30ms", "== 20ms"}
	bound := func(list []string) *spec.Bound {
		b := &spec.Bound{}
		require.NoError(t, b.UnmarshalText([]byte(list[draw.IntN(len(list))])))
		return b
	}
	start := time.Unix(1700000000, 0)
	kinds := map[string]int{}
	for range 20_000 {
		c, kind := spec.Check{Load: "l"}, ""
		switch draw.IntN(5) {
		case 0:
			c.Success, kind = bound(texts), "success"
		case 1:
			c.Status, kind = map[string]spec.Bound{"200": *bound(texts)}, "status"
		case 2:
			c.Values, kind = map[string]spec.Bound{"v1": *bound(texts)}, "values"
		case 3:
			c.Min, kind = bound(times), "min"
		case 4:
			c.Max, kind = bound(times), "max"
		}
		r := &record.Run{Start: start, Loads: []loadgen.Summary{{Name: "l"}}}
		r.Scenario.Spec.Checks = []spec.Check{c}
		often := draw.Float64()
		for i := range 1 + draw.IntN(12) {
			res := loadgen.Result{Load: "l", Seq: uint64(i), Scheduled: start.Add(time.Duration(i) * time.Millisecond), Status: 200, Value: "v1"}
			if draw.Float64() < often {
				res.Status, res.Value = []int{0, 503, 404}[draw.IntN(3)], []string{"", "v2"}[draw.IntN(2)]
			}
			res.Sent, res.End = res.Scheduled, res.Scheduled.Add(time.Duration(10+draw.IntN(30))*time.Millisecond)
			r.Results = append(r.Results, res)
		}
		part := record.Phase{Name: "all", To: time.Duration(1+draw.IntN(len(r.Results))) * time.Millisecond}
		if !assert.Doomed(r, c, part) {
			continue
		}
		kinds[kind]++
		r.Phases = []record.Phase{{Name: "all", To: time.Second}}
		assert.Judge(r, func(string) diag.Pos { return diag.Pos{} })
		require.Equal(t, record.Fail, r.Checks[0].Verdict, "%v, of %v: %s", c, r.Results, r.Checks[0].Reason)
	}
	for _, kind := range []string{"success", "status", "values", "min", "max"} {
		require.Greater(t, kinds[kind], 300, kind)
	}
}
