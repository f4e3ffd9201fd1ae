package addons

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/otlp"
	"github.com/squallmesh/squall/mesh/telemetry/promql"
)

// Forward sends on what the mesh reports.
type Forward struct {
	// Name of where it goes, for warnings.
	Name string
	// Points, if it is not nil, takes samples; Spans takes spans. One of the two is set.
	Points func(context.Context, []telemetry.Point) error
	Spans  func(context.Context, []telemetry.Span) error
	// Close ends it; nil has nothing to end.
	Close func() error
}

// forwardTimeout bounds one attempt.
const forwardTimeout = 10 * time.Second

// ToPrometheus sends samples by remote write: http://127.0.0.1:9090/api/v1/write.
func ToPrometheus(address string) (Forward, error) {
	if err := webAddress(address); err != nil {
		return Forward{}, err
	}
	w := promql.Writer{URL: address, Client: &http.Client{Timeout: forwardTimeout}}
	return Forward{Name: address, Points: w.Write}, nil
}

// ToTraces sends spans: to a Zipkin, http://127.0.0.1:9411/api/v2/spans, or to whoever takes OTLP over gRPC without TLS, otlp://127.0.0.1:4317.
func ToTraces(address string) (Forward, error) {
	if u, err := url.Parse(address); err == nil && u.Scheme == "otlp" && u.Host != "" && u.Port() != "" && u.Path == "" {
		c, err := otlp.NewClient(u.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return Forward{}, fmt.Errorf("%s: %w", address, err)
		}
		return Forward{Name: address, Spans: c.Send, Close: c.Close}, nil
	}
	if err := webAddress(address); err != nil {
		return Forward{}, fmt.Errorf("%w, or otlp://HOST:PORT", err)
	}
	client := &http.Client{Timeout: forwardTimeout}
	return Forward{Name: address, Spans: func(ctx context.Context, spans []telemetry.Span) error {
		return postSpans(ctx, client, address, spans)
	}}, nil
}

func webAddress(address string) error {
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path == "" {
		return fmt.Errorf("%q is not an address such as http://127.0.0.1:9411/api/v2/spans", address)
	}
	return nil
}

func postSpans(ctx context.Context, client *http.Client, address string, spans []telemetry.Span) error {
	data, err := json.Marshal(spans)
	if err != nil {
		return fmt.Errorf("spans: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("spans: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("spans: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("spans: %s answered %s: %s", address, resp.Status, bytes.TrimSpace(said))
	}
	return nil
}

// Bounds of what waits for somebody who does not answer; older things are dropped.
const (
	maxWaiting = 200_000
	maxSpans   = 1000 // in one message
)

// queue is what waits to be sent on.
type queue struct {
	forward Forward

	mu     sync.Mutex
	points []telemetry.Point
	// spans is how many of the collector's are sent.
	spans int
	// warned says that the last error has been told.
	warned bool
}

func (q *queue) add(points []telemetry.Point) {
	if q.forward.Points == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.points = append(q.points, points...)
	if over := len(q.points) - maxWaiting; over > 0 {
		q.points = append([]telemetry.Point(nil), q.points[over:]...)
	}
}

// forward sends until the context ends, and then once more.
func (s *Server) forward(ctx context.Context, q *queue) error {
	tick := time.NewTicker(s.opts.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			s.told(q, s.send(last, q))
			if q.forward.Close != nil {
				return q.forward.Close()
			}
			return nil
		case <-tick.C:
			s.told(q, s.send(ctx, q))
		}
	}
}

// told warns of an error once, until it works again.
func (s *Server) told(q *queue, err error) {
	if err != nil && !q.warned && s.opts.Warn != nil && !errors.Is(err, context.Canceled) {
		s.opts.Warn(fmt.Errorf("what is reported does not reach %s: %w", q.forward.Name, err))
	}
	q.warned = err != nil
}

func (s *Server) send(ctx context.Context, q *queue) error {
	if q.forward.Points != nil {
		q.mu.Lock()
		points := q.points
		q.points = nil
		q.mu.Unlock()
		if len(points) == 0 {
			return nil
		}
		err := q.forward.Points(ctx, points)
		if err != nil {
			q.mu.Lock()
			q.points = append(points, q.points...)
			q.mu.Unlock()
		}
		return err
	}
	for {
		spans, all := s.opts.Collector.SpansFrom(q.spans)
		if len(spans) == 0 {
			return nil
		}
		first := all - len(spans)
		spans = spans[:min(len(spans), maxSpans)]
		if err := q.forward.Spans(ctx, spans); err != nil {
			return err
		}
		q.spans = first + len(spans)
	}
}
