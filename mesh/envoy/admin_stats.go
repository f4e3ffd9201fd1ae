package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
)

// Stats are the statistics of an Envoy by their full names.
type Stats struct {
	Values     map[string]uint64     // counters and gauges
	Texts      map[string]string     // text readouts
	Histograms map[string][]Quantile // those that have values since the start, as of the last flush
}

// Quantile is a point of a histogram.
type Quantile struct {
	Quantile   float64  // 0 to 1
	Interval   *float64 // of the last flush interval; nil if it had no values
	Cumulative *float64 // since the start
}

// Counters returns the counters whose full name matches the regular expression filter (RE2, unanchored; empty matches
// all). They are exact at the time of the call.
func (a *Admin) Counters(ctx context.Context, filter string) (map[string]uint64, error) {
	stats, err := a.stats(ctx, filter, "Counters")
	return stats.Values, err
}

// Gauges is Counters for gauges.
func (a *Admin) Gauges(ctx context.Context, filter string) (map[string]uint64, error) {
	stats, err := a.stats(ctx, filter, "Gauges")
	return stats.Values, err
}

// Stat returns one counter or gauge by its full name; 0 if there is none yet.
func (a *Admin) Stat(ctx context.Context, name string) (uint64, error) {
	stats, err := a.stats(ctx, "^"+regexp.QuoteMeta(name)+"$", "")
	return stats.Values[name], err
}

// Stats returns all statistics whose full name matches filter, as for Counters.
func (a *Admin) Stats(ctx context.Context, filter string) (Stats, error) {
	return a.stats(ctx, filter, "")
}

func (a *Admin) stats(ctx context.Context, filter, kind string) (Stats, error) {
	pairs := []string{"format", "json"}
	if filter != "" {
		pairs = append(pairs, "filter", filter)
	}
	if kind != "" {
		pairs = append(pairs, "type", kind)
	}
	body, err := a.Get(ctx, query("/stats", pairs...))
	if err != nil {
		return Stats{}, err
	}
	stats, err := parseStats(body)
	if err != nil {
		return Stats{}, fmt.Errorf("read Envoy's answer to /stats: %w", err)
	}
	return stats, nil
}

// parseStats reads {"stats": [{"name", "value"}..., {"histograms": {"supported_quantiles", "computed_quantiles"}}]}.
func parseStats(body []byte) (Stats, error) {
	var answer struct {
		Stats []struct {
			Name       string          `json:"name"`
			Value      json.RawMessage `json:"value"`
			Histograms *struct {
				Quantiles []float64 `json:"supported_quantiles"` // in per cent
				Computed  []struct {
					Name   string `json:"name"`
					Values []struct {
						Interval   *float64 `json:"interval"`
						Cumulative *float64 `json:"cumulative"`
					} `json:"values"`
				} `json:"computed_quantiles"`
			} `json:"histograms"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return Stats{}, err
	}
	stats := Stats{
		Values: make(map[string]uint64, len(answer.Stats)), Texts: make(map[string]string), Histograms: make(map[string][]Quantile),
	}
	for _, s := range answer.Stats {
		if h := s.Histograms; h != nil {
			for _, c := range h.Computed {
				for i, v := range c.Values[:min(len(c.Values), len(h.Quantiles))] {
					if v.Cumulative != nil {
						q := Quantile{Quantile: h.Quantiles[i] / 100, Interval: v.Interval, Cumulative: v.Cumulative}
						stats.Histograms[c.Name] = append(stats.Histograms[c.Name], q)
					}
				}
			}
			continue
		}
		if n, err := strconv.ParseUint(string(s.Value), 10, 64); err == nil {
			stats.Values[s.Name] = n
			continue
		}
		var text string
		if err := json.Unmarshal(s.Value, &text); err != nil {
			return Stats{}, fmt.Errorf("the value of %s is %s: %w", s.Name, s.Value, err)
		}
		stats.Texts[s.Name] = text
	}
	return stats, nil
}
