package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	loadbench "github.com/squallmesh/squall/loadgen/bench"
	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/scenarios/record"
)

// figure is one line of bench.jsonl.
type figure struct {
	Name     string   `json:"name"`
	Value    float64  `json:"value"`
	Unit     string   `json:"unit"`
	Baseline *float64 `json:"baseline,omitempty"`
	Note     string   `json:"note,omitempty"`
}

func newBenchCommand(env *environment) *cobra.Command {
	var out, envoyPath string
	var flips, listenerFlips int
	c := &cobra.Command{
		Use: "bench", Short: "Measure the lab: the barrier, its start, the load generator", Args: cobra.NoArgs,
		Long: `Measure the lab and print one JSON object per figure.

Counts that are wrong (a first request after the barrier that saw the old rule) exit 1; times never do.`,
		RunE: func(c *cobra.Command, _ []string) error {
			b := &bench{env: env, flips: flips, listenerFlips: listenerFlips}
			return b.run(c.Context(), out, envoyPath)
		},
	}
	c.Flags().StringVar(&out, "out", "", "file for the figures besides standard output")
	c.Flags().StringVar(&envoyPath, "envoy", "", "path of the Envoy to run")
	c.Flags().IntVar(&flips, "flips", 1000, "changes of a route, a cluster and an endpoint set each, per number of workers")
	c.Flags().IntVar(&listenerFlips, "listener-flips", 1000, "listeners added, per number of workers")
	return c
}

type bench struct {
	env                  *environment
	flips, listenerFlips int
	figures              []figure
	wrong                []string
}

func (b *bench) add(name string, value float64, unit, note string) {
	f := figure{Name: name, Value: value, Unit: unit, Note: note}
	b.figures = append(b.figures, f)
	line, _ := json.Marshal(f)
	_, _ = fmt.Fprintln(b.env.stdout, string(line))
}

func (b *bench) run(ctx context.Context, out, envoyPath string) error {
	binary, err := findEnvoy(ctx, b.env, envoyPath)
	if err != nil {
		return err
	}
	if err := b.barrier(ctx, binary); err != nil {
		return broken(err)
	}
	if err := b.ready(ctx, binary); err != nil {
		return broken(err)
	}
	if err := b.catalogue(ctx, binary); err != nil {
		return broken(err)
	}
	load, err := loadbench.Measure(ctx)
	if err != nil {
		return broken(err)
	}
	b.add("loadgen.requests_per_second", load.RequestsPerSecond, "1/s", "load and handler share the machine")
	b.add("loadgen.p99_error_ratio", load.P99ErrorRatio, "ratio", "p99 from schedule over the computed one, less 1, with a stall of 1 s")
	if out != "" {
		if err := b.save(out); err != nil {
			return broken(err)
		}
	}
	if len(b.wrong) > 0 {
		return &exitError{exitFail, fmt.Errorf("wrong counts: %v", b.wrong)}
	}
	return nil
}

func (b *bench) save(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("folder for figures: %w", err)
	}
	var data []byte
	for _, f := range b.figures {
		line, err := json.Marshal(f)
		if err != nil {
			return fmt.Errorf("figure %s: %w", f.Name, err)
		}
		data = append(append(data, line...), '\n')
	}
	return os.WriteFile(path, data, 0o600)
}

// withLab runs f in a lab of its own and takes the lab down.
func (b *bench) withLab(ctx context.Context, binary envoy.Binary, app string, workers int, rules []config.File, f func(*local.Lab) error) (err error) {
	a, dir, err := loadApp(app, ".")
	if err != nil {
		return err
	}
	owner, tmp, err := newOwner(b.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, owner.Close()) }()
	lab, err := local.Start(ctx, local.Options{
		Squall: b.env.self, Envoy: binary, Owner: owner, Dir: tmp, App: a, AppDir: dir, Rules: rules, Concurrency: workers,
		Env: appEnvironment(b.env), Exact: true, DrainTime: time.Second,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	return f(lab)
}

// ready measures how soon Bookinfo's mesh takes traffic.
func (b *bench) ready(ctx context.Context, binary envoy.Binary) error {
	var times []float64
	for range 5 {
		begin := time.Now()
		err := b.withLab(ctx, binary, "bookinfo", 1, builtinRules("bookinfo-gateway", "destination-rule-all"), func(*local.Lab) error {
			times = append(times, time.Since(begin).Seconds())
			return nil
		})
		if err != nil {
			return err
		}
	}
	slices.Sort(times)
	b.add("mesh.ready_seconds", times[len(times)/2], "s", "median of 5: gateway and 6 workloads, rules effective")
	return nil
}

// catalogueDir is where the shipped scenarios lie in a checkout.
const catalogueDir = "scenarios/catalog"

// catalogue measures how long the shipped scenarios take, two meshes side by side. Outside of a checkout there are none.
func (b *bench) catalogue(ctx context.Context, binary envoy.Binary) error {
	if _, err := os.Stat(catalogueDir); err != nil {
		return nil //nolint:nilerr // nothing to measure here
	}
	jobs, err := loadScenarios(b.env, []string{catalogueDir})
	if err != nil {
		return err
	}
	quiet := *b.env
	quiet.stderr = io.Discard
	begin, passed := time.Now(), 0
	_, err = runJobs(ctx, &quiet, runFlags{parallel: 2, seed: 1}, binary, jobs, func(_ job, r *record.Run) error {
		if r.Verdict == record.Pass {
			passed++
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.add("catalogue.wall_seconds", time.Since(begin).Seconds(), "s", fmt.Sprintf("%d of %d scenarios pass, two at a time", passed, len(jobs)))
	return nil
}

// The rules between which the barrier's benchmark flips.
const benchRules = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: backend}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 8080, name: http, protocol: HTTP}
      hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: backend}
spec:
  host: backend
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: by-header}
spec:
  hosts: ["*"]
  gateways: [backend, extra]
  http:
    - match: [{headers: {probe: {exact: cluster}}}]
      route: [{destination: {host: backend, subset: v1, port: {number: 8080}}}]
      retries: {attempts: 0}
    - match: [{headers: {probe: {exact: endpoint}}}]
      route: [{destination: {host: flip.test, port: {number: 8080}}}]
      retries: {attempts: 0}
    - route: [{destination: {host: backend, subset: %s, port: {number: 8080}}}]
      retries: {attempts: 0}
`

const benchCluster = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: backend}
spec:
  host: backend
  trafficPolicy: {tls: {mode: %s, insecureSkipVerify: true}}
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
`

const benchEndpoints = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: flip}
spec:
  hosts: [flip.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
  endpoints: [{address: %s}]
`

const benchListener = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: extra}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: %d, name: http, protocol: HTTP}
      hosts: ["*"]
`

// flip is one kind of change and how a request tells the old from the new.
type flip struct {
	name  string
	count int
	// files gives the rules of the n-th change; want what a probe must see afterwards.
	files func(n int) config.File
	probe string
	want  func(n int) string
	port  func(n int) int
	// fresh says that only new connections see the change.
	fresh bool
}

func (b *bench) barrier(ctx context.Context, binary envoy.Binary) error {
	stale, probes := map[string]int{}, 0
	var effective []float64
	ackOnly := 0
	for _, workers := range []int{1, 4} {
		rules := []config.File{
			{Name: "bench", Data: fmt.Appendf(nil, benchRules, "v1")},
			{Name: "listener", Data: fmt.Appendf(nil, benchListener, 9000)},
			{Name: "endpoints", Data: fmt.Appendf(nil, benchEndpoints, "127.0.0.1")},
		}
		err := b.withLab(ctx, binary, "backend", workers, rules, func(lab *local.Lab) error {
			v1, _ := lab.Instance("backend-v1")
			v2, _ := lab.Instance("backend-v2")
			addresses := []string{v1.Address, v2.Address}
			main := func(int) int { return 8080 }
			list := []flip{
				{
					name: "route", count: b.flips, port: main,
					files: func(n int) config.File {
						return config.File{Name: "route", Data: fmt.Appendf(nil, benchRules, []string{"v1", "v2"}[n%2])}
					},
					want: func(n int) string { return []string{"backend-v1", "backend-v2"}[n%2] },
				},
				{
					name: "cluster", count: b.flips, port: main, probe: "cluster",
					files: func(n int) config.File {
						return config.File{Name: "cluster", Data: fmt.Appendf(nil, benchCluster, []string{"DISABLE", "SIMPLE"}[n%2])}
					},
					// TLS to a port that speaks none fails.
					want: func(n int) string { return []string{"backend-v1", "status 503"}[n%2] },
				},
				{
					name: "endpoint", count: b.flips, port: main, probe: "endpoint",
					files: func(n int) config.File {
						return config.File{Name: "endpoints", Data: fmt.Appendf(nil, benchEndpoints, addresses[n%2])}
					},
					want: func(n int) string { return []string{"backend-v1", "backend-v2"}[n%2] },
				},
				{
					name: "listener", count: b.listenerFlips, fresh: true,
					files: func(n int) config.File {
						return config.File{Name: "listener", Data: fmt.Appendf(nil, benchListener, 9001+n%2)}
					},
					want: func(int) string { return "backend-v1" },
					port: func(n int) int { return 9001 + n%2 },
				},
			}
			reset := config.File{Name: "route", Data: fmt.Appendf(nil, benchRules, "v1")}
			for _, f := range list {
				if _, err := lab.Client().Apply(ctx, mesh.ApplyRequest{Files: []config.File{reset}}); err != nil {
					return err
				}
				s, n, times, err := b.flip(ctx, lab, f, false)
				if err != nil {
					return fmt.Errorf("%s, %d workers: %w", f.name, workers, err)
				}
				stale[f.name] += s
				probes += n
				effective = append(effective, times...)
				slices.Sort(times)
				b.add(fmt.Sprintf("barrier.effective_p99_ms.%s.w%d", f.name, workers), times[len(times)*99/100], "ms", "from apply to effective on every proxy")
				if f.name == "listener" {
					s, _, _, err := b.flip(ctx, lab, f, true)
					if err != nil {
						return fmt.Errorf("%s acknowledged, %d workers: %w", f.name, workers, err)
					}
					ackOnly += s
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	total := 0
	for _, name := range []string{"route", "cluster", "endpoint", "listener"} {
		b.add("barrier.stale_first_requests."+name, float64(stale[name]), "requests", "")
		total += stale[name]
	}
	b.add("barrier.stale_first_requests", float64(total), "requests", "first requests after the barrier that saw the old rule")
	b.add("barrier.probes", float64(probes), "requests", "")
	b.add("barrier.ack_only_stale_first_requests", float64(ackOnly), "requests", "listener: the acknowledgement alone is no barrier")
	slices.Sort(effective)
	b.add("barrier.effective_p99_ms", effective[len(effective)*99/100], "ms", "all kinds and numbers of workers together")
	if total > 0 {
		b.wrong = append(b.wrong, fmt.Sprintf("%d stale first requests", total))
	}
	return nil
}

// flip makes the changes one after another. After each it sends the first requests, on new and on open connections.
func (b *bench) flip(ctx context.Context, lab *local.Lab, f flip, ackOnly bool) (stale, probes int, times []float64, err error) {
	open := make([]*http.Client, 4)
	for i := range open {
		open[i] = &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: 5 * time.Second}
		defer open[i].CloseIdleConnections()
	}
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	for n := range f.count {
		begin := time.Now()
		_, err := lab.Client().Apply(ctx, mesh.ApplyRequest{Files: []config.File{f.files(n)}, AckOnly: ackOnly})
		if err != nil {
			return stale, probes, times, err
		}
		times = append(times, float64(time.Since(begin))/float64(time.Millisecond))
		url := fmt.Sprintf("http://%s", net.JoinHostPort(lab.GatewayAddress(), fmt.Sprint(f.port(n))))
		clients := []*http.Client{fresh}
		if !f.fresh {
			clients = append(clients, open...)
		}
		for _, c := range clients {
			probes++
			if got := seen(ctx, c, url, f.probe); got != f.want(n) {
				stale++
			}
		}
	}
	return stale, probes, times, nil
}

// seen is what one request says of the rule in force.
func seen(ctx context.Context, c *http.Client, url, probe string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("probe", probe)
	resp, err := c.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	if who := resp.Header.Get("x-backend"); who != "" {
		return who
	}
	return fmt.Sprintf("status %d", resp.StatusCode)
}
