package sim_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/registry/static"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/mesh/sim/des"
	"github.com/squallmesh/squall/mesh/sim/dist"
)

// frontDoor leads everything at the gateway to the service shop.
const frontDoor = `
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
`

// straight is a rule without retries.
const straight = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ["*"]
  gateways: [door]
  http:
    - route: [{destination: {host: shop}}]
      retries: {attempts: 0}
`

// bench is a mesh with a gateway and some copies of one app behind it.
type bench struct {
	*sim.Mesh
	gateway string
	results []sim.Visit
}

// newBench takes time for nothing but the apps' work.
func newBench(t *testing.T, seed uint64, rules string, apps ...sim.App) *bench {
	t.Helper()
	return newBenchOf(t, sim.NoTimes(), seed, rules, apps...)
}

func newBenchOf(t *testing.T, times sim.Times, seed uint64, rules string, apps ...sim.App) *bench {
	t.Helper()
	docs, problems := config.Parse(config.File{Name: "rules.yaml", Data: []byte(frontDoor + rules)})
	require.NoError(t, problems.Err())
	set := config.Set{}.With(docs...)
	services := config.Services(set, "")
	b := &bench{Mesh: sim.New(sim.Options{Seed: seed, Times: &times}), gateway: "router~door.istio-system"}
	proxies := []*model.Proxy{{ID: b.gateway, Kind: model.Router, Workload: &model.Workload{
		Name: "door", Namespace: "istio-system", Labels: map[string]string{"istio": "ingressgateway"}, Address: "127.16.0.1",
	}}}
	var workloads []*model.Workload
	for i := range apps {
		w := &model.Workload{
			Name: fmt.Sprintf("shop-%d", i), Owner: "shop", Namespace: "default", Address: fmt.Sprintf("127.16.%d.1", i+1),
			Labels: map[string]string{"app": "shop", "version": fmt.Sprintf("v%d", i+1)},
		}
		w.Inbound = static.Inbound(static.Instance{Namespace: "default", Labels: w.Labels}, services)
		for n := range w.Inbound {
			w.Inbound[n].Listen = model.Socket{Address: w.Address, Port: w.Inbound[n].App.Port}
			w.Inbound[n].App.Address = fmt.Sprintf("127.16.%d.2", i+1)
		}
		workloads = append(workloads, w)
		proxies = append(proxies, &model.Proxy{ID: "sidecar~" + w.Name, Kind: model.Sidecar, Workload: w})
	}
	snap, problems := config.Build(set, model.Snapshot{Mesh: model.ExactMesh()}, workloads)
	require.NoError(t, problems.Err())
	require.Empty(t, sim.Unmodelled(snap))
	b.Apply(snap, proxies)
	for i, a := range apps {
		b.SetApp(workloads[i].Key(), a)
	}
	return b
}

// poisson offers so many requests with this mean time in between, and runs until all have ended.
func (b *bench) poisson(t *testing.T, seed uint64, between time.Duration, requests int) {
	t.Helper()
	random, at := des.Stream(seed, "arrivals"), time.Duration(0)
	b.AddLoad(&sim.Load{
		Proxy: b.gateway, Message: sim.Message{Request: match.Request{Method: "GET", Scheme: "http", Authority: "shop", Path: "/"}},
		Due: func(n uint64) (time.Duration, bool) {
			if n >= uint64(requests) {
				return 0, false
			}
			at += exponential(random, between)
			return at, true
		},
		Done: func(v sim.Visit) { b.results = append(b.results, v) },
	})
	require.NoError(t, b.Run(des.Forever, nil))
	require.Len(t, b.results, requests)
	require.Zero(t, b.Visits())
	require.Zero(t, b.Streams())
}

func exponential(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(mean))
}

func (b *bench) status(v sim.Visit) int { return b.Answer(v.Answer).Status }

// ok answers 200 at once; what takes time is the work.
type ok struct{ status int }

func (o ok) Step(*sim.Message, []sim.AnswerID) sim.Step {
	return sim.Step{Answer: &sim.Answer{Status: o.status, Body: "x"}}
}

const service = time.Millisecond

func worker(t *testing.T, servers int) sim.App {
	t.Helper()
	d, err := dist.Exponential(service)
	require.NoError(t, err)
	return sim.App{Program: ok{200}, Work: &d, Servers: servers, Room: -1}
}

// interval gives the mean over replications with a half width of a 99.9 % interval: Student's t with 9 degrees of freedom. Of the dozen
// comparisons below one in a hundred runs would miss, and the seeds are fixed.
func interval(values []float64) (mean, half float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	variance := 0.
	for _, v := range values {
		variance += (v - mean) * (v - mean) / float64(len(values)-1)
	}
	return mean, 4.781 * math.Sqrt(variance/float64(len(values)))
}

const replications = 10

func replicate(measure func(seed uint64) float64) (mean, half float64) {
	var values []float64
	for seed := range uint64(replications) {
		values = append(values, measure(seed+1))
	}
	return interval(values)
}

// erlangB is the share of calls that find c servers busy at an offered load of a: B0 = 1, Bk = a·B/(k + a·B).
func erlangB(c int, a float64) float64 {
	b := 1.
	for k := 1; k <= c; k++ {
		b = a * b / (float64(k) + a*b)
	}
	return b
}

// TestQueue compares the mean time in the mesh with M/M/c: W = 1/µ + C/(cµ - λ), C = B/(1 - ρ(1 - B)).
func TestQueue(t *testing.T) {
	for _, c := range []struct {
		servers int
		load    float64
	}{{1, .5}, {1, .7}, {1, .85}, {3, .5}, {3, .7}, {3, .85}} {
		t.Run(fmt.Sprintf("M/M/%d at %g", c.servers, c.load), func(t *testing.T) {
			a := c.load * float64(c.servers)
			erlang := erlangB(c.servers, a)
			erlang /= 1 - c.load*(1-erlang)
			want := 1 + erlang/(float64(c.servers)-a)
			mean, half := replicate(func(seed uint64) float64 {
				b := newBench(t, seed, straight, worker(t, c.servers))
				b.poisson(t, seed, time.Duration(float64(service)/a), 30_000)
				sum := time.Duration(0)
				for _, v := range b.results[3000:] { // without the start from an empty station
					sum += v.End - v.Due
				}
				return float64(sum) / float64(len(b.results)-3000) / float64(service)
			})
			require.InDelta(t, want, mean, half, "half width %g", half)
			require.Less(t, half, .15*want, "the interval says nothing")
		})
	}
}

// meanTime is the mean time in the mesh, in units of service, without the start from an empty one.
func meanTime(b *bench) float64 {
	first := len(b.results) / 10
	sum := time.Duration(0)
	for _, v := range b.results[first:] {
		sum += v.End - v.Due
	}
	return float64(sum) / float64(len(b.results)-first) / float64(service)
}

// TestProcessors compares the mean time of apps that compute as many requests at a time as come, on a machine with two processors, with
// processor sharing: it has the mean of M/M/2. Where half of the time at work nobody computes (a demand of 0.5), only the other half is shared.
func TestProcessors(t *testing.T) {
	for _, c := range []struct{ load, demand float64 }{{.3, 1}, {.7, 1}, {.7, .5}} {
		t.Run(fmt.Sprintf("%g of a demand of %g", c.load, c.demand), func(t *testing.T) {
			a := 2 * c.load
			erlang := erlangB(2, a)
			erlang /= 1 - c.load*(1-erlang)
			want := c.demand*(1+erlang/(2-a)) + 1 - c.demand
			times := sim.NoTimes()
			times.Processors, times.Demand = 2, c.demand
			mean, half := replicate(func(seed uint64) float64 {
				b := newBenchOf(t, times, seed, straight, worker(t, 0), worker(t, 0))
				b.poisson(t, seed, time.Duration(float64(service)*c.demand/a), 15_000)
				return meanTime(b)
			})
			require.InDelta(t, want, mean, half, "half width %g", half)
			require.Less(t, half, .1*want, "the interval says nothing")
		})
	}
}

// What is done beside a request takes processors, too: with a demand of 2 a machine of one processor is as busy as at twice the rate.
func TestWorkBesideRequestsKeepsProcessorsBusy(t *testing.T) {
	at := func(demand, rate float64) float64 {
		times := sim.NoTimes()
		times.Processors, times.Demand = 1, demand
		b := newBenchOf(t, times, 1, straight, worker(t, 0))
		b.poisson(t, 1, time.Duration(float64(service)/rate), 20_000)
		return meanTime(b)
	}
	require.Greater(t, at(2, .4), 1.5*at(1, .4))
	require.Greater(t, at(1, .8), 1.5*at(1, .4))
}

// TestTokenBucket: a bucket of one token that takes 1/r to fill lets one request pass and none of those that come in the time until it is full
// again, so of Poisson arrivals at a rate of a·r the share a/(1 + a) is refused.
func TestTokenBucket(t *testing.T) {
	const policy = `
---
apiVersion: squall.dev/v1alpha1
kind: QuotaPolicy
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  limits: [{name: all, local: {requests: 1000, unit: SECOND, burst: 1}}]
`
	for _, a := range []float64{.5, 1, 2} {
		mean, half := replicate(func(seed uint64) float64 {
			b := newBench(t, seed, straight+policy, sim.App{Program: ok{200}})
			b.poisson(t, seed, time.Duration(float64(time.Millisecond)/a), 8_000)
			refused := 0
			for _, v := range b.results {
				if b.status(v) == 429 {
					refused++
				}
			}
			return float64(refused) / float64(len(b.results))
		})
		require.InDelta(t, a/(1+a), mean, half, "load %g, half width %g", a, half)
		require.Less(t, half, .02)
	}
}

// TestBreakerIsErlangB: a limit on requests in flight, before an app that serves any number at once, refuses as Erlang's loss system.
func TestBreakerIsErlangB(t *testing.T) {
	for _, c := range []struct {
		limit int
		load  float64
	}{{2, 1}, {5, 3}, {10, 7}} {
		rule := fmt.Sprintf(`
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec: {host: shop, trafficPolicy: {connectionPool: {http: {http2MaxRequests: %d}}}}
`, c.limit)
		mean, half := replicate(func(seed uint64) float64 {
			b := newBench(t, seed, straight+rule, worker(t, 0))
			b.poisson(t, seed, time.Duration(float64(service)/c.load), 20_000)
			refused := 0
			for _, v := range b.results {
				if b.status(v) == 503 {
					refused++
				}
			}
			counters, found := b.Counters(b.gateway)
			require.True(t, found)
			require.EqualValues(t, refused, counters["cluster.outbound|80||shop.default.svc.cluster.local;.upstream_rq_active_overflow"])
			return float64(refused) / float64(len(b.results))
		})
		require.InDelta(t, erlangB(c.limit, c.load), mean, half, "limit %d, half width %g", c.limit, half)
		require.Less(t, half, .02)
	}
}

// flaky fails with a chance of its own, each time anew.
func flaky(seed uint64, chance float64) sim.App {
	r := des.Stream(seed, "flaky")
	return sim.App{Status: func() int {
		if r.Float64() < chance {
			return 503
		}
		return 200
	}}
}

// TestRetriesAmplify: n retries of a chance p of failure make (1 - p^(n+1))/(1 - p) attempts, and p^(n+1) still fail.
func TestRetriesAmplify(t *testing.T) {
	const retries = 2
	rule := fmt.Sprintf(`
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ["*"]
  gateways: [door]
  http:
    - route: [{destination: {host: shop}}]
      retries: {attempts: %d, retryOn: 5xx, backoff: 1ms}
`, retries)
	for _, p := range []float64{.1, .5, .9} {
		const n = 20_000
		b := newBench(t, 1, rule, flaky(1, p))
		b.poisson(t, 1, service, n)
		failed := 0
		for _, v := range b.results {
			if b.status(v) != 200 {
				failed++
			}
		}
		counters, _ := b.Counters(b.gateway)
		attempts := float64(counters["cluster.outbound|80||shop.default.svc.cluster.local;.upstream_rq_total"]) / n
		all := math.Pow(p, retries+1)
		require.InDelta(t, all, float64(failed)/n, 3.29*math.Sqrt(all*(1-all)/n), "failures at %g", p)
		want := (1 - all) / (1 - p)
		require.InDelta(t, want, attempts, 3.29*1/math.Sqrt(n), "attempts at %g", p) // a request makes 1 to 3: its deviation is at most 1
	}
}

// TestThinning: weights divide requests binomially.
func TestThinning(t *testing.T) {
	rule := `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ["*"]
  gateways: [door]
  http:
    - route:
        - {destination: {host: shop, subset: v1}, weight: 80}
        - {destination: {host: shop, subset: v2}, weight: 20}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec:
  host: shop
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
`
	const n = 50_000
	b := newBench(t, 1, rule, sim.App{Program: ok{200}}, sim.App{Program: ok{201}})
	b.poisson(t, 1, service, n)
	second := 0
	for _, v := range b.results {
		if b.status(v) == 201 {
			second++
		}
	}
	require.InDelta(t, .2*n, second, 3.29*math.Sqrt(n*.2*.8))
}

// TestRoundRobin: equal hosts take strict turns, whatever the start.
func TestRoundRobin(t *testing.T) {
	rule := straight + `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec: {host: shop, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}
`
	b := newBench(t, 1, rule, sim.App{Program: ok{200}}, sim.App{Program: ok{201}}, sim.App{Program: ok{202}})
	b.poisson(t, 1, service, 300)
	var turns []int
	for _, v := range b.results {
		turns = append(turns, b.status(v)-200)
	}
	for i := 3; i < len(turns); i++ {
		require.Equal(t, turns[i-3], turns[i])
	}
	require.Equal(t, []int{0, 1, 2}, slices.Sorted(slices.Values(turns[:3])))
}
