package model

import (
	"maps"
	"slices"

	"github.com/squallmesh/squall/mesh/diag"
)

// Side is the part of a proxy that a rule about telemetry is for; empty is both.
type Side string

// The sides: ClientSide is what a sidecar does with the calls of its own workload, and all that a gateway does; ServerSide what a sidecar does with
// the calls to its workload.
const (
	ClientSide Side = "CLIENT"
	ServerSide Side = "SERVER"
)

// Telemetry says what proxies report to the mesh's users. What squall itself needs for its verdicts, it does not touch.
type Telemetry struct {
	Name, Namespace string
	// Selector as in PeerAuthentication.
	Selector map[string]string
	Tracing  []*TracingRule
	// Metrics are changes, of which a later one goes over an earlier one.
	Metrics       []*MetricOverride
	AccessLogging []*AccessLogRule
	Pos           diag.Pos
}

// Key is namespace/name.
func (t *Telemetry) Key() string { return t.Namespace + "/" + t.Name }

// TracingRule says how requests are traced. What is unset is as a wider rule says.
type TracingRule struct {
	Side Side
	// Provider is the tracer by name; empty is the wider rule's.
	Provider string
	// Sampling in percent; nil is unset.
	Sampling *float64
	// Disabled makes no spans; nil is unset.
	Disabled *bool
	// Tags of spans, by name in order; nil is unset.
	Tags []*SpanTag
	// ByRequestID takes the decision from the request's id, so that all proxies decide alike without a word; nil is unset.
	ByRequestID *bool
}

// SpanTag is a tag that spans have. It is one of a literal, an environment variable of the proxy, a request's header, or a format.
type SpanTag struct {
	Name string
	// Literal is the value.
	Literal string
	// Environment and Header are the names of what has the value, Default is for where there is none; without it there is no tag then.
	Environment, Header, Default string
	// Format is a text with Envoy's command operators.
	Format string
}

// MetricOverride changes metrics.
type MetricOverride struct {
	Side Side
	// Metric is Istio's name: REQUEST_COUNT. Empty is all.
	Metric string
	// Disabled leaves the metric out; nil is unset.
	Disabled *bool
	// Tags are labels that come, change or go, by name in order.
	Tags []MetricTag
}

// MetricTag is a label of a metric.
type MetricTag struct {
	Name string
	// Remove takes the label away; else it has the value of the CEL expression.
	Remove     bool
	Expression string
}

// AccessLogRule says what is logged for people.
type AccessLogRule struct {
	Side Side
	// Providers are the logs by name; none are the wider rule's.
	Providers []string
	Disabled  bool
	// Filter is a CEL expression that is true for what is logged; empty logs all.
	Filter string
}

// WithTelemetry gives the snapshot with the rule added, or replaced by its key.
func (s Snapshot) WithTelemetry(t *Telemetry) Snapshot {
	s = s.WithoutTelemetry(t.Key())
	s.Telemetries = s.Telemetries.Set(t.Key(), t)
	s.telemetries = addRule(s.telemetries, t.Namespace, t)
	return s
}

// WithoutTelemetry gives the snapshot without the rule.
func (s Snapshot) WithoutTelemetry(key string) Snapshot {
	if t := s.Telemetries.At(key); t != nil {
		s.Telemetries = s.Telemetries.Delete(key)
		s.telemetries = dropRule(s.telemetries, t.Namespace, t)
	}
	return s
}

// TelemetriesIn gives the rules of a namespace, by name.
func (s Snapshot) TelemetriesIn(namespace string) []*Telemetry {
	if list := s.telemetries.At(namespace); list != nil {
		return list.rules
	}
	return nil
}

// TelemetriesFor gives the rules for a workload, the widest first: the root namespace's, its own namespace's, and the one that selects it.
// Of several of equal rank the first by name counts; the reader of rules refuses those. Source: Istio's applicableTelemetries.
func (s Snapshot) TelemetriesFor(namespace string, labels map[string]string) []*Telemetry {
	if s.Mesh == nil {
		return nil
	}
	first := func(namespace string, fits func(*Telemetry) bool) []*Telemetry {
		rules := s.TelemetriesIn(namespace)
		if i := slices.IndexFunc(rules, fits); i >= 0 {
			return rules[i : i+1 : i+1]
		}
		return nil
	}
	everything := func(t *Telemetry) bool { return len(t.Selector) == 0 }
	out := first(s.Mesh.RootNamespace, everything)
	if namespace != s.Mesh.RootNamespace {
		out = append(out, first(namespace, everything)...)
	}
	return append(out, first(namespace, func(t *Telemetry) bool { return len(t.Selector) > 0 && Labels(labels, t.Selector) })...)
}

// Tracing is how one side of a proxy traces.
type Tracing struct {
	// Provider is the tracer; nil is the lab's own.
	Provider *TracingProvider
	// Sampling in percent.
	Sampling float64
	Disabled bool
	Tags     []*SpanTag
	// ByRequestID as in TracingRule.
	ByRequestID bool
}

// on reports whether a rule for one side, or for both, is for this one.
func (s Side) on(rule Side) bool { return rule == "" || rule == s }

// Tracing puts rules together, the widest first.
func (m *Mesh) Tracing(rules []*Telemetry, side Side) Tracing {
	out := Tracing{Sampling: m.Sampling, ByRequestID: true, Disabled: m.NoTracing, Provider: m.Tracer(m.DefaultTracer)}
	for _, t := range rules {
		for _, r := range t.Tracing {
			if !side.on(r.Side) {
				continue
			}
			if r.Provider != "" {
				out.Provider = m.Tracer(r.Provider)
			}
			if r.Sampling != nil {
				out.Sampling = *r.Sampling
			}
			if r.Disabled != nil {
				out.Disabled = *r.Disabled
			}
			if r.Tags != nil {
				out.Tags = r.Tags
			}
			if r.ByRequestID != nil {
				out.ByRequestID = *r.ByRequestID
			}
		}
	}
	return out
}

// Metrics are those that the mesh has, by Istio's names, in order.
func Metrics() []string {
	return []string{
		"REQUEST_COUNT", "REQUEST_DURATION", "REQUEST_SIZE", "RESPONSE_SIZE",
		"TCP_CLOSED_CONNECTIONS", "TCP_OPENED_CONNECTIONS", "TCP_RECEIVED_BYTES", "TCP_SENT_BYTES",
	}
}

// MetricChange is what becomes of one metric.
type MetricChange struct {
	Metric   string
	Disabled bool
	// Tags by name, in order.
	Tags []MetricTag
}

// MetricChanges puts rules together, the widest first: one change for each metric that is not as Istio has it, in the order of Metrics.
func MetricChanges(rules []*Telemetry, side Side) []MetricChange {
	disabled, tags := map[string]bool{}, map[string]map[string]MetricTag{}
	for _, t := range rules {
		for _, o := range t.Metrics {
			if !side.on(o.Side) {
				continue
			}
			for _, name := range Metrics() {
				if o.Metric != "" && o.Metric != name {
					continue
				}
				if o.Disabled != nil {
					disabled[name] = *o.Disabled
				}
				if tags[name] == nil {
					tags[name] = map[string]MetricTag{}
				}
				for _, tag := range o.Tags {
					tags[name][tag.Name] = tag
				}
			}
		}
	}
	var out []MetricChange
	for _, name := range Metrics() {
		if !disabled[name] && len(tags[name]) == 0 {
			continue
		}
		c := MetricChange{Metric: name, Disabled: disabled[name]}
		for _, tag := range slices.Sorted(maps.Keys(tags[name])) {
			c.Tags = append(c.Tags, tags[name][tag])
		}
		out = append(out, c)
	}
	return out
}
