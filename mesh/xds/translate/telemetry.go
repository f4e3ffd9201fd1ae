package translate

import (
	"encoding/json"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/telemetry"
)

// telemetries gives the rules about what a proxy reports, the widest first.
func (r *reader) telemetries() []*model.Telemetry {
	r.note(partTelemetries, r.scope.namespace)
	r.note(partTelemetries, r.mesh().RootNamespace)
	rules := r.t.snap.TelemetriesFor(r.scope.namespace, r.scope.labels)
	for _, t := range rules {
		r.from(t.Pos)
	}
	return rules
}

// sideOf is the side of a proxy that a direction is. A gateway is a client (Istio's).
func sideOf(direction corev3.TrafficDirection) model.Side {
	if direction == corev3.TrafficDirection_INBOUND {
		return model.ServerSide
	}
	return model.ClientSide
}

// metricTags are what each entry of squall's own log says of how its request is counted: the changes, and the value of each expression, which
// the proxy evaluates. So a rule holds for exactly the requests that were served under it.
func metricTags(changes []model.MetricChange) []*tracingv3.CustomTag {
	if len(changes) == 0 {
		return nil
	}
	var out []*tracingv3.CustomTag
	names := map[string]string{}
	value := func(expression string) string {
		name, known := names[expression]
		if !known {
			name = telemetry.CountedValue + strconv.Itoa(len(names))
			names[expression] = name
			out = append(out, logTag(name, "%CEL("+expression+")%"))
		}
		return name
	}
	counting := telemetry.Counting{}
	for _, c := range changes {
		how := telemetry.Counted{Disabled: c.Disabled}
		for _, tag := range c.Tags {
			if how.Labels == nil {
				how.Labels = map[string]string{}
			}
			how.Labels[tag.Name] = ""
			if !tag.Remove {
				how.Labels[tag.Name] = value(tag.Expression)
			}
		}
		counting[c.Metric] = how
	}
	text, err := json.Marshal(counting)
	if err != nil {
		panic(err) // maps of texts
	}
	return append(out, &tracingv3.CustomTag{Tag: telemetry.CountedTag, Type: &tracingv3.CustomTag_Literal_{
		Literal: &tracingv3.CustomTag_Literal{Value: string(text)},
	}})
}
