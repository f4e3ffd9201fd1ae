package promql

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// Handler serves Prometheus' HTTP API, by GET and POST: /api/v1/query, query_range, labels, label/{name}/values, series and
// metadata, which is empty.
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, serve := range map[string]func(*http.Request) (any, []string, error){
		"query": s.serveQuery, "query_range": s.serveRange, "labels": s.serveLabels, "label/{name}/values": s.serveValues,
		"series":   s.serveSeries,
		"metadata": func(*http.Request) (any, []string, error) { return struct{}{}, nil, nil },
	} {
		handler := func(w http.ResponseWriter, r *http.Request) {
			data, warnings, err := serve(r)
			respond(w, data, warnings, err)
		}
		mux.HandleFunc("GET /api/v1/"+path, handler)
		mux.HandleFunc("POST /api/v1/"+path, handler)
	}
	return mux
}

type response struct {
	Status    string   `json:"status"`
	Data      any      `json:"data,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Error     string   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

type resultData struct {
	Type   parser.ValueType `json:"resultType"`
	Result parser.Value     `json:"result"`
}

// badData is an error of the request.
type badData struct{ error }

func respond(w http.ResponseWriter, data any, warnings []string, err error) {
	w.Header().Set("Content-Type", "application/json")
	answer := response{Status: "success", Data: data, Warnings: warnings}
	if err != nil {
		code, kind := http.StatusUnprocessableEntity, "execution"
		var bad badData
		var parse *ParseError
		var timeout promql.ErrQueryTimeout
		var canceled promql.ErrQueryCanceled
		switch {
		case errors.As(err, &bad), errors.As(err, &parse):
			code, kind = http.StatusBadRequest, "bad_data"
		case errors.As(err, &timeout):
			code, kind = http.StatusServiceUnavailable, "timeout"
		case errors.As(err, &canceled):
			code, kind = 499, "canceled" // as Prometheus has it
		}
		w.WriteHeader(code)
		answer = response{Status: "error", ErrorType: kind, Error: err.Error()}
	}
	_ = json.NewEncoder(w).Encode(answer) // the caller has left if it fails
}

func (s *Store) run(r *http.Request, expr string, query promql.Query, err error) (any, []string, error) {
	if err != nil {
		return nil, nil, positioned(expr, err)
	}
	defer query.Close()
	result := query.Exec(r.Context())
	if result.Err != nil {
		return nil, nil, result.Err
	}
	var warnings []string
	for _, warning := range result.Warnings {
		warnings = append(warnings, warning.Error())
	}
	// Marshalled here, since closing the query takes the result's memory back.
	data, err := json.Marshal(resultData{result.Value.Type(), result.Value})
	return json.RawMessage(data), warnings, err
}

func (s *Store) serveQuery(r *http.Request) (any, []string, error) {
	at, err := timeOf(r, "time", time.Now())
	if err != nil {
		return nil, nil, err
	}
	expr := r.FormValue("query")
	query, err := s.engine.NewInstantQuery(r.Context(), s.db, nil, expr, at)
	return s.run(r, expr, query, err)
}

// maxSteps is Prometheus' own bound of points per series.
const maxSteps = 11_000

func (s *Store) serveRange(r *http.Request) (any, []string, error) {
	start, err1 := timeOf(r, "start", time.Time{})
	end, err2 := timeOf(r, "end", time.Time{})
	step, err3 := durationOf(r.FormValue("step"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, nil, badData{err}
	}
	switch {
	case start.IsZero() || end.Before(start):
		return nil, nil, badData{errors.New("start and end are required, and end is not before start")}
	case step <= 0:
		return nil, nil, badData{errors.New("step must be greater than 0")}
	case end.Sub(start)/step > maxSteps:
		return nil, nil, badData{fmt.Errorf("more than %d points per series: raise step", maxSteps)}
	}
	expr := r.FormValue("query")
	query, err := s.engine.NewRangeQuery(r.Context(), s.db, nil, expr, start, end, step)
	return s.run(r, expr, query, err)
}

// selection is what match[], start and end of a request select.
type selection struct {
	storage.Querier

	sets [][]*labels.Matcher
}

func (s *Store) selection(r *http.Request) (*selection, error) {
	start, err1 := timeOf(r, "start", time.UnixMilli(math.MinInt64/2))
	end, err2 := timeOf(r, "end", time.UnixMilli(math.MaxInt64/2))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	sets, err := s.parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		return nil, badData{err}
	}
	querier, err := s.db.Querier(start.UnixMilli(), end.UnixMilli())
	return &selection{querier, sets}, err
}

// names joins what ask returns for each set of matchers; for none if there is no set.
func (s *selection) names(ask func(...*labels.Matcher) ([]string, error)) ([]string, error) {
	sets := s.sets
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	all := []string{}
	for _, matchers := range sets {
		names, err := ask(matchers...)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			all = append(all, strings.Clone(name)) // the querier's memory ends with it
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (s *Store) serveLabels(r *http.Request) (any, []string, error) {
	selected, err := s.selection(r)
	if err != nil {
		return nil, nil, err
	}
	defer selected.Close() //nolint:errcheck // read only
	names, err := selected.names(func(m ...*labels.Matcher) ([]string, error) {
		names, _, err := selected.LabelNames(r.Context(), nil, m...)
		return names, err
	})
	return names, nil, err
}

func (s *Store) serveValues(r *http.Request) (any, []string, error) {
	selected, err := s.selection(r)
	if err != nil {
		return nil, nil, err
	}
	defer selected.Close() //nolint:errcheck // read only
	values, err := selected.names(func(m ...*labels.Matcher) ([]string, error) {
		values, _, err := selected.LabelValues(r.Context(), r.PathValue("name"), nil, m...)
		return values, err
	})
	return values, nil, err
}

func (s *Store) serveSeries(r *http.Request) (any, []string, error) {
	selected, err := s.selection(r)
	if err != nil {
		return nil, nil, err
	}
	defer selected.Close() //nolint:errcheck // read only
	if len(selected.sets) == 0 {
		return nil, nil, badData{errors.New("match[] is required")}
	}
	all := []labels.Labels{}
	seen := map[string]bool{}
	for _, matchers := range selected.sets {
		set := selected.Select(r.Context(), true, nil, matchers...)
		for set.Next() {
			if l := set.At().Labels(); !seen[l.String()] {
				seen[l.String()] = true
				all = append(all, l.Copy())
			}
		}
		if err := set.Err(); err != nil {
			return nil, nil, err
		}
	}
	return all, nil, nil
}

// timeOf reads a time: seconds since 1970 with a fraction, or RFC 3339.
func timeOf(r *http.Request, name string, unset time.Time) (time.Time, error) {
	text := r.FormValue(name)
	if text == "" {
		return unset, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds) < 1e15 {
		return time.UnixMilli(int64(math.Round(seconds * 1000))), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	return time.Time{}, badData{fmt.Errorf("%s=%q is neither a number of seconds nor a time of RFC 3339", name, text)}
}

// durationOf reads a duration: seconds with a fraction, or PromQL's 1m30s.
func durationOf(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds) < 1e9 {
		return time.Duration(seconds * 1e9), nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	return 0, badData{fmt.Errorf("%q is not a duration", text)}
}
