package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
)

// telemetryMesh has a rule for the mesh, one for the namespace default, and one for ratings.
func telemetryMesh() model.Snapshot {
	s := model.Snapshot{Mesh: model.DefaultMesh()}
	s = s.WithTelemetry(&model.Telemetry{
		Name: "mesh", Namespace: "istio-system",
		Tracing: []*model.TracingRule{{Sampling: new(20.0), Tags: []*model.SpanTag{{Name: "of", Literal: "mesh"}}}},
		Metrics: []*model.MetricOverride{
			{Tags: []model.MetricTag{{Name: "host", Expression: "request.host"}, {Name: "source_app", Remove: true}}},
			{Metric: "REQUEST_SIZE", Side: model.ClientSide, Disabled: new(true)},
		},
		AccessLogging: []*model.AccessLogRule{{Providers: []string{"envoy"}, Filter: "response.code >= 400"}},
	})
	s = s.WithTelemetry(&model.Telemetry{
		Name: "namespace", Namespace: "default",
		Tracing: []*model.TracingRule{{Side: model.ServerSide, Sampling: new(50.0)}},
	})
	return s.WithTelemetry(&model.Telemetry{
		Name: "ratings", Namespace: "default", Selector: map[string]string{"app": "ratings"},
		Tracing:       []*model.TracingRule{{Disabled: new(true)}},
		Metrics:       []*model.MetricOverride{{Metric: "REQUEST_SIZE", Disabled: new(false), Tags: []model.MetricTag{{Name: "host", Remove: true}}}},
		AccessLogging: []*model.AccessLogRule{{Side: model.ServerSide, Disabled: true}},
	})
}

// The narrower rule goes over the wider one, field by field; tags of spans are replaced as a whole.
func TestTelemetryPrecedence(t *testing.T) {
	s := telemetryMesh()
	other := s.TelemetriesFor("elsewhere", nil)
	require.Len(t, other, 1)
	reviews := s.TelemetriesFor("default", map[string]string{"app": "reviews"})
	ratings := s.TelemetriesFor("default", map[string]string{"app": "ratings"})
	require.Len(t, ratings, 3)

	require.InDelta(t, 20, s.Mesh.Tracing(reviews, model.ClientSide).Sampling, 0)
	require.InDelta(t, 50, s.Mesh.Tracing(reviews, model.ServerSide).Sampling, 0)
	require.Equal(t, "mesh", s.Mesh.Tracing(reviews, model.ServerSide).Tags[0].Literal)
	require.True(t, s.Mesh.Tracing(ratings, model.ClientSide).Disabled)
	require.InDelta(t, 100, s.Mesh.Tracing(nil, model.ClientSide).Sampling, 0)

	size := func(rules []*model.Telemetry, side model.Side) model.MetricChange {
		for _, c := range model.MetricChanges(rules, side) {
			if c.Metric == "REQUEST_SIZE" {
				return c
			}
		}
		return model.MetricChange{}
	}
	require.True(t, size(reviews, model.ClientSide).Disabled)
	require.False(t, size(reviews, model.ServerSide).Disabled, "the rule is for callers")
	require.False(t, size(ratings, model.ClientSide).Disabled, "on again")
	require.Equal(t, []model.MetricTag{{Name: "host", Remove: true}, {Name: "source_app", Remove: true}}, size(ratings, model.ClientSide).Tags)
	require.Empty(t, model.MetricChanges(nil, model.ClientSide))
}

func TestAccessLogs(t *testing.T) {
	s := telemetryMesh()
	names := func(rules []*model.Telemetry, side model.Side) (out []string) {
		for _, l := range s.Mesh.AccessLogs(rules, side) {
			out = append(out, l.Name+" "+l.Path+" "+l.Filter)
		}
		return out
	}
	ratings := s.TelemetriesFor("default", map[string]string{"app": "ratings"})
	require.Equal(t, []string{"envoy /dev/stdout response.code >= 400"}, names(ratings, model.ClientSide))
	require.Empty(t, names(ratings, model.ServerSide), "disabled there")
	require.Empty(t, names(nil, model.ServerSide), "nobody asks for a log")
	s.Mesh.BuiltinLog.Path = model.Stdout
	require.Equal(t, []string{"envoy /dev/stdout "}, names(nil, model.ServerSide), "accessLogFile")
	s.Mesh.Logs = []*model.AccessLogProvider{{Name: "mine", Path: model.Stdout, JSON: true}}
	s.Mesh.DefaultLogs = []string{"mine"}
	require.Equal(t, []string{"mine /dev/stdout "}, names(nil, model.ServerSide), "defaultProviders")
	require.Equal(t, []string{"envoy /dev/stdout response.code >= 400"}, names(ratings, model.ClientSide), "a rule's providers stand in place of those")
}
