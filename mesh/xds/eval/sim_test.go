package eval_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/sim"
)

// The simulator reads rules by itself, and sends a request where eval says that Envoy does.
func TestEvalAgreesWithTheSimulator(t *testing.T) {
	var n tally
	ref := newReference(caller)
	rapid.Check(t, func(t *rapid.T) {
		rule := someRule(t, "shop")
		snap := withService(model.Snapshot{Mesh: model.DefaultMesh()}, "shop").WithVirtualService(rule)
		c := configOf(t, snap, caller)
		m := sim.New(sim.Options{Seed: 1})
		m.Apply(snap, []*model.Proxy{{ID: "sidecar", Kind: model.Sidecar, Workload: caller}})
		var asked []call
		got := map[int]string{}
		for i := range 100 {
			req := someCall(t, "shop", false)
			meant := req.Request
			meant.Path = strings.NewReplacer("/a/./b", "/a/b", "/b/../a", "/a").Replace(meant.Path)
			n.count(ref.route(rule, req.port, meant))
			asked = append(asked, req)
			x := sim.Message{Request: match.Request{Method: meant.Method, Scheme: meant.Scheme, Authority: meant.Authority, Path: meant.Path}}
			for _, name := range []string{"x-device", "x-user"} {
				for _, v := range meant.Header[name] {
					x.Headers = append(x.Headers, model.Header{Name: name, Value: v})
				}
			}
			m.AddLoad(&sim.Load{
				Proxy: "sidecar", Message: x, Due: func(n uint64) (time.Duration, bool) { return 0, n == 0 },
				Done: func(v sim.Visit) { got[i] = said(m.Answer(v.Answer)) },
			})
		}
		require.NoError(t, m.Run(time.Minute, nil))
		for i, req := range asked {
			want, err := c.Evaluate(req.Request)
			require.NoError(t, err)
			require.Equal(t, decided(want), got[i], "%+v\n%+v", req, want.Routes)
		}
	})
	if !t.Failed() {
		n.require(t, 2000)
	}
}

// said is an answer in the words of outcome.
func said(a *sim.Answer) string {
	switch {
	case a.Status == 503: // to a service without endpoints
		return "sent on"
	case a.Status == 404:
		return "404"
	case slices.Contains([]int{0, 502}, a.Status):
		return "no route by that name"
	}
	return a.Body
}
