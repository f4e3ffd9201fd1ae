package virtual_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/scenarios/virtual"
)

// BenchmarkPages is Bookinfo's product page, 1,000 times a second of virtual time; an operation is a page.
func BenchmarkPages(b *testing.B) {
	a, problems := config.ParseApp(bookinfo.Files, "app.yaml")
	require.NoError(b, problems.Err())
	var rules []config.File
	for _, name := range []string{"bookinfo-gateway.yaml", "destination-rule-all.yaml", "virtual-service-reviews-v3.yaml"} {
		data, err := os.ReadFile("../../bookinfo/rules/" + name)
		require.NoError(b, err)
		rules = append(rules, config.File{Name: name, Data: data})
	}
	mesh, gateway, err := virtual.NewMesh(a, rules, sim.Options{Seed: 1})
	require.NoError(b, err)
	good := 0
	mesh.AddLoad(&sim.Load{
		Proxy: gateway, Timeout: 10 * time.Second,
		Message: sim.Message{Request: match.Request{Method: "GET", Scheme: "http", Authority: "shop", Path: "/productpage", Headers: []model.Header{{Name: "user-agent", Value: "x"}}}},
		Due:     func(n uint64) (time.Duration, bool) { return time.Duration(n) * time.Millisecond, n < uint64(b.N) },
		Done: func(v sim.Visit) {
			if mesh.Answer(v.Answer).Status == 200 {
				good++
			}
		},
	})
	b.ReportAllocs()
	b.ResetTimer()
	require.NoError(b, mesh.Run(time.Duration(b.N)*time.Millisecond+time.Hour, nil))
	require.Equal(b, b.N, good)
	b.ReportMetric(float64(mesh.Events())/float64(b.N), "events/op")
	b.ReportMetric(float64(mesh.Events())/b.Elapsed().Seconds()/1e6, "Mevents/s")
}
