package addons

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
	"github.com/squallmesh/squall/mesh/telemetry/graph"
	"github.com/squallmesh/squall/mesh/telemetry/istio"
	"github.com/squallmesh/squall/mesh/telemetry/promql"
	"github.com/squallmesh/squall/mesh/telemetry/zipkin"
)

// Options of the add-ons.
type Options struct {
	// Collector has what the proxies report.
	Collector *collect.Collector
	// Dir is where metrics are stored; it is made, and is the add-ons' alone.
	Dir string
	// Metrics says who is who.
	Metrics istio.Options
	// Members are the workloads at this moment.
	Members func() []graph.Member
	// Picture makes a page of a graph.
	Picture func(graph.Graph) string
	// Gauges are further series, asked whenever metrics are sampled; nil has none. What it cannot tell it leaves out.
	Gauges func(context.Context, time.Time) []telemetry.Point
	// Forward gets every sample and every span, in order, as long as it returns nil; it is asked again with the same after an error, which is
	// told to Warn once.
	Forward []Forward
	Warn    func(error)
	// Every is how often metrics are sampled. 0: once a second.
	Every time.Duration
}

// Server is the add-ons of one mesh.
type Server struct {
	opts    Options
	store   *promql.Store
	metrics *istio.Metrics

	mu sync.Mutex
	// fed is how many hops are in the metrics.
	fed int
	// gauges are those of the last sample.
	gauges []telemetry.Point
	queues []*queue
}

// New opens the store of metrics. Close it when Serve has returned.
func New(o Options) (*Server, error) {
	if o.Every == 0 {
		o.Every = time.Second
	}
	store, err := promql.Open(o.Dir, promql.Options{})
	if err != nil {
		return nil, fmt.Errorf("add-ons: %w", err)
	}
	s := &Server{opts: o, store: store, metrics: istio.New(o.Metrics)}
	for _, f := range o.Forward {
		s.queues = append(s.queues, &queue{forward: f})
	}
	return s, nil
}

// Close closes the store.
func (s *Server) Close() error {
	if err := s.store.Close(); err != nil {
		return fmt.Errorf("add-ons: %w", err)
	}
	return nil
}

// Serve samples metrics and answers until the context ends; that is no error.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: time.Minute}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.sample(ctx) })
	for _, q := range s.queues {
		g.Go(func() error { return s.forward(ctx, q) })
	}
	g.Go(func() error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("add-ons: %w", err)
		}
		return nil
	})
	return g.Wait()
}

// sample keeps the series.
func (s *Server) sample(ctx context.Context) error {
	tick := time.NewTicker(s.opts.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := s.Sample(ctx, now); err != nil {
				return err
			}
		}
	}
}

// Sample takes a value of every series at a time. A series that is new is 0 just before, so that its first calls are an increase.
func (s *Server) Sample(ctx context.Context, at time.Time) error {
	var gauges []telemetry.Point
	if s.opts.Gauges != nil {
		gauges = s.opts.Gauges(ctx, at)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	hops := s.opts.Collector.Ledger.From(s.fed)
	s.fed += len(hops)
	for i := range hops {
		s.metrics.Start(hops[i])
	}
	// The first of the two finds all that a moment ago had been counted, and what is new at 0.
	before := s.metrics.Sample(at.Add(-time.Millisecond))
	for i := range hops {
		s.metrics.Add(hops[i])
	}
	s.gauges = gauges
	now := slices.Concat(s.metrics.Sample(at), gauges)
	if err := s.store.Append(append(before, now...)); err != nil { //nolint:contextcheck // appending cannot be interrupted
		return fmt.Errorf("add-ons: %w", err)
	}
	for _, q := range s.queues {
		q.add(now)
	}
	return nil
}

// Handler serves an index page at /, Prometheus' API below /prometheus, its text format at /metrics, its federation at /federate, its HTTP
// service discovery at /sd, Zipkin's API below /zipkin, and the
// service graph at /graph (a page), /graph.json and /graph.dot, each with ?seconds=N, by default 60.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/prometheus/", http.StripPrefix("/prometheus", s.store.Handler()))
	mux.Handle("/zipkin/", http.StripPrefix("/zipkin", zipkin.Handler(s.opts.Collector.Spans, nil)))
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	mux.HandleFunc("GET /federate", s.store.Federate)
	mux.HandleFunc("GET /sd", serveTargets)
	mux.HandleFunc("GET /graph", s.graph("text/html; charset=utf-8", func(w http.ResponseWriter, g graph.Graph) error {
		_, err := w.Write([]byte(s.opts.Picture(g)))
		return err //nolint:wrapcheck // the browser has left
	}))
	mux.HandleFunc("GET /graph.json", s.graph("application/json", writeJSON))
	mux.HandleFunc("GET /graph.dot", s.graph("text/vnd.graphviz", func(w http.ResponseWriter, g graph.Graph) error { return g.WriteDOT(w) }))
	mux.HandleFunc("GET /{$}", s.serveIndex)
	return onThisMachine(mux)
}

// onThisMachine refuses requests that a foreign page makes a browser send: by another name, that is resolved to this address, or across origins.
func onThisMachine(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "only asked for by a loopback address", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	}))
}

func (s *Server) graph(contentType string, write func(http.ResponseWriter, graph.Graph) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		seconds := 60.0
		if text := r.URL.Query().Get("seconds"); text != "" {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil || n <= 0 || n > 1e9 {
				http.Error(w, "seconds="+text+" is not a number above 0", http.StatusBadRequest)
				return
			}
			seconds = n
		}
		since := time.Now().Add(-time.Duration(seconds * float64(time.Second)))
		recent := []telemetry.Hop{}
		for _, h := range s.opts.Collector.Ledger.All() {
			if !h.Time.Before(since) {
				recent = append(recent, h)
			}
		}
		w.Header().Set("Content-Type", contentType)
		_ = write(w, graph.Of(s.opts.Members(), recent, since, seconds)) // the caller has left if it fails
	}
}

// page is one line of the index.
type page struct{ path, what string }

var index = []page{
	{"/graph", "service graph of the last minute, as a picture (also /graph.json, /graph.dot, ?seconds=N)"},
	{"/prometheus/api/v1/query?query=sum by (destination_workload, response_code) (istio_requests_total)", "Prometheus' HTTP API below /prometheus"},
	{"/metrics", "Istio's metrics for a Prometheus that scrapes"},
	{"/sd", "where to scrape, by Prometheus' HTTP service discovery"},
	{`/federate?match[]={__name__=~"istio_.*"}`, "the newest samples, as another Prometheus asks for them"},
	{"/zipkin/api/v2/traces?limit=10", "Zipkin's API below /zipkin"},
	{"/zipkin/api/v2/services", "who reported spans"},
}

func (s *Server) serveIndex(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	b.WriteString(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>squall</title><style>body{font:16px/1.5 system-ui;margin:2em;color-scheme:light dark}</style></head><body><h1>This mesh</h1><ul>`)
	for _, p := range index {
		fmt.Fprintf(&b, `<li><a href="%s">%s</a>: %s</li>`, html.EscapeString(p.path), html.EscapeString(p.path), html.EscapeString(p.what))
	}
	b.WriteString("</ul></body></html>\n")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // the browser has left if it fails
}
