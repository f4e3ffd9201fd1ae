package promql

import (
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// Sample of a series.
type Sample struct {
	Time  time.Time `json:"time"`
	Value float64   `json:"value"`
}

// Series of a result.
type Series struct {
	// Name of the metric; empty where a function took it away.
	Name    string           `json:"name,omitempty"`
	Labels  telemetry.Labels `json:"labels,omitempty"`
	Samples []Sample         `json:"samples"`
}

// Value is the result of a query.
type Value struct {
	// Type is scalar, vector, matrix or string. A scalar is one series without labels; those of a vector have one sample each.
	Type   string   `json:"type"`
	Series []Series `json:"series,omitempty"`
	// Text of a string.
	Text string `json:"text,omitempty"`
	// Warnings of the engine.
	Warnings []string `json:"warnings,omitempty"`
}

// One returns the value of a result that is a single number: a scalar, or a vector of one series.
func (v Value) One() (float64, bool) {
	if v.Type != "scalar" && v.Type != "vector" || len(v.Series) != 1 || len(v.Series[0].Samples) != 1 {
		return 0, false
	}
	return v.Series[0].Samples[0].Value, true
}

func ours(l labels.Labels) (name string, others telemetry.Labels) {
	l.Range(func(one labels.Label) {
		if one.Name == labels.MetricName { //nolint:staticcheck // no metadata here
			name = one.Value
		} else {
			others = append(others, telemetry.Label{Name: one.Name, Value: one.Value})
		}
	})
	return name, others
}

func convert(result *promql.Result) (Value, error) {
	v := Value{Type: string(result.Value.Type())}
	for _, w := range result.Warnings {
		v.Warnings = append(v.Warnings, w.Error())
	}
	add := func(l labels.Labels, samples ...promql.FPoint) {
		s := Series{}
		s.Name, s.Labels = ours(l)
		for _, p := range samples {
			s.Samples = append(s.Samples, Sample{time.UnixMilli(p.T), p.F})
		}
		v.Series = append(v.Series, s)
	}
	switch r := result.Value.(type) {
	case promql.Scalar:
		add(labels.EmptyLabels(), promql.FPoint{T: r.T, F: r.V})
	case promql.Vector:
		for _, s := range r {
			add(s.Metric, promql.FPoint{T: s.T, F: s.F})
		}
	case promql.Matrix:
		for _, s := range r {
			add(s.Metric, s.Floats...)
		}
	case promql.String:
		v.Text = r.V
	default:
		return v, fmt.Errorf("a result of the type %s", v.Type)
	}
	return v, nil
}
