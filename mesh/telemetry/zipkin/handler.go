package zipkin

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// maxBody bounds what one POST may hold, after decompression.
const maxBody = 64 << 20

// Handler serves Zipkin's API over a store: POST /api/v2/spans; GET /api/v2/trace/{id}, /traces, /services, /spans,
// /dependencies; GET /health. received, if it is not nil, is called with all spans that came.
func Handler(store *Store, received func([]telemetry.Span)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/spans", func(w http.ResponseWriter, r *http.Request) {
		spans, err := decode(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		store.Add(spans...)
		if received != nil {
			received(spans)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /api/v2/trace/{id}", func(w http.ResponseWriter, r *http.Request) {
		spans := store.Spans(r.PathValue("id"))
		if len(spans) == 0 {
			http.Error(w, fmt.Sprintf("no trace %s", r.PathValue("id")), http.StatusNotFound)
			return
		}
		answer(w, spans)
	})
	mux.HandleFunc("GET /api/v2/traces", func(w http.ResponseWriter, r *http.Request) {
		q, err := parseQuery(r.URL.Query(), time.Now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, orEmpty(store.Traces(q)))
	})
	mux.HandleFunc("GET /api/v2/services", func(w http.ResponseWriter, _ *http.Request) { answer(w, store.Services()) })
	mux.HandleFunc("GET /api/v2/spans", func(w http.ResponseWriter, r *http.Request) {
		answer(w, store.SpanNames(r.URL.Query().Get("serviceName")))
	})
	mux.HandleFunc("GET /api/v2/dependencies", func(w http.ResponseWriter, r *http.Request) {
		q, err := parseQuery(r.URL.Query(), time.Now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, store.Dependencies(q.From, q.To))
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]string{"status": "UP"}) })
	return mux
}

// Serve serves the API on a listener, which it closes, until ctx ends; that is no error.
func Serve(ctx context.Context, listener net.Listener, store *Store, received func([]telemetry.Span)) error {
	server := &http.Server{Handler: Handler(store, received), ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("trace collector: %w", err)
	}
	return nil
}

func decode(r *http.Request) ([]telemetry.Span, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		defer z.Close() //nolint:errcheck // read only
		body = z
	}
	data, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxBody {
		return nil, fmt.Errorf("more than %d bytes", maxBody)
	}
	var spans []telemetry.Span
	if err := json.Unmarshal(data, &spans); err != nil {
		return nil, fmt.Errorf("not a list of spans: %w", err)
	}
	var errs []error
	for i := range spans {
		if err := Normalize(&spans[i]); err != nil {
			errs = append(errs, fmt.Errorf("span %d: %w", i, err))
		}
	}
	return spans, errors.Join(errs...)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller has left if it fails
}

// orEmpty makes nil a list in JSON.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// defaultLookback is Zipkin's own.
const defaultLookback = 24 * time.Hour

func parseQuery(v url.Values, now time.Time) (Query, error) {
	var errs []error
	number := func(name string, unset int64) int64 {
		if !v.Has(name) {
			return unset
		}
		n, err := strconv.ParseInt(v.Get(name), 10, 64)
		if err != nil || n < 0 {
			errs = append(errs, fmt.Errorf("%s=%q is not a number from 0", name, v.Get(name)))
		}
		return n
	}
	end := number("endTs", now.UnixMilli())
	lookback := number("lookback", defaultLookback.Milliseconds())
	q := Query{
		Service: v.Get("serviceName"), SpanName: strings.ToLower(v.Get("spanName")),
		MinDuration: time.Duration(number("minDuration", 0)) * time.Microsecond,
		MaxDuration: time.Duration(number("maxDuration", 0)) * time.Microsecond,
		From:        time.UnixMilli(max(0, end-lookback)), To: time.UnixMilli(end),
		Limit: int(number("limit", DefaultLimit)),
	}
	if s := v.Get("annotationQuery"); s != "" {
		q.Tags = map[string]string{}
		for condition := range strings.SplitSeq(s, " and ") {
			key, value, _ := strings.Cut(strings.TrimSpace(condition), "=")
			q.Tags[key] = value
		}
	}
	return q, errors.Join(errs...)
}
