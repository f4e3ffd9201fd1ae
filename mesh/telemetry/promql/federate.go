package promql

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// escaper writes what a label's value in the text format may not hold as it is.
var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// nameLabel has the name of the metric.
const nameLabel = "__name__"

// Federate serves the newest sample of the series that match[] selects, in Prometheus' text format, as its /federate does.
func (s *Store) Federate(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sets, err := s.parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil || len(sets) == 0 {
		http.Error(w, fmt.Sprintf("match[] is required, and selects series: %v", err), http.StatusBadRequest)
		return
	}
	now := time.Now()
	querier, err := s.db.Querier(now.Add(-Lookback).UnixMilli(), now.UnixMilli())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer querier.Close() //nolint:errcheck // read only
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	out := bufio.NewWriter(w)
	defer func() { _ = out.Flush() }() // the caller has left if it fails
	seen := map[string]bool{}
	for _, matchers := range sets {
		set := querier.Select(r.Context(), true, nil, matchers...)
		var it chunkenc.Iterator
		for set.Next() {
			series := set.At()
			it = series.Iterator(it)
			at, v, any := int64(0), 0.0, false
			for it.Next() == chunkenc.ValFloat {
				at, v = it.At()
				any = true
			}
			l := series.Labels()
			if key := l.String(); !any || seen[key] || value.IsStaleNaN(v) {
				continue
			} else {
				seen[key] = true
			}
			pairs := []string{}
			l.Range(func(one labels.Label) {
				if one.Name != nameLabel {
					pairs = append(pairs, one.Name+`="`+escaper.Replace(one.Value)+`"`)
				}
			})
			_, _ = fmt.Fprintf(out, "%s{%s} %s %d\n", l.Get(nameLabel), strings.Join(pairs, ","), strconv.FormatFloat(v, 'g', -1, 64), at)
		}
	}
}
