package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"
	telemetry "istio.io/api/telemetry/v1alpha1"

	"github.com/squallmesh/squall/mesh/model"
)

// metricsProvider is the only one of metrics (Istio's name).
const metricsProvider = "prometheus"

// labelName is what Prometheus takes for one.
var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// environmentName is what a shell takes for one.
var environmentName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func (b *build) telemetry(doc *Document) *model.Telemetry {
	in := doc.message.(*telemetry.Telemetry)
	r := b.reporter(doc)
	out := &model.Telemetry{Name: doc.Name, Namespace: doc.Namespace, Selector: copyLabels(in.Selector.GetMatchLabels()), Pos: doc.Pos}
	if len(out.Selector) > 0 && doc.Namespace == b.snap.Mesh.RootNamespace && !b.selects(out) {
		r.errorf("WRONG-NAMESPACE", "spec.selector", "a Telemetry with a selector is for workloads of its own namespace, and %q has none of these", doc.Namespace)
		r.hint("put it into the namespace of the workloads")
	}
	if len(in.Tracing)+len(in.Metrics)+len(in.AccessLogging) == 0 {
		r.missing("spec", "a Telemetry says something about tracing, metrics or accessLogging")
	}
	for i, t := range in.Tracing {
		out.Tracing = append(out.Tracing, r.tracing(t, at("spec.tracing", i)))
	}
	for i, m := range in.Metrics {
		path := at("spec.metrics", i)
		for k, p := range m.Providers {
			if p.GetName() != metricsProvider && !slices.Contains(b.snap.Mesh.MetricsProviders, p.GetName()) {
				r.unknownProvider(at(path+".providers", k)+".name", "metrics", p.GetName(), append(slices.Clone(b.snap.Mesh.MetricsProviders), metricsProvider))
			}
		}
		if len(m.Overrides) == 0 && len(m.Providers) == 0 {
			r.missing(path+".overrides", "overrides say what is different")
		}
		for k, o := range m.Overrides {
			out.Metrics = append(out.Metrics, r.metricOverrides(o, at(path+".overrides", k))...)
		}
	}
	for i, l := range in.AccessLogging {
		out.AccessLogging = append(out.AccessLogging, r.accessLogging(l, at("spec.accessLogging", i)))
	}
	return out
}

// selects reports whether a rule picks a workload of its namespace.
func (b *build) selects(t *model.Telemetry) bool {
	for _, w := range b.snap.Workloads.All() {
		if w.Namespace == t.Namespace && model.Labels(w.Labels, t.Selector) {
			return true
		}
	}
	return false
}

func side(mode telemetry.WorkloadMode) model.Side {
	switch mode {
	case telemetry.WorkloadMode_CLIENT:
		return model.ClientSide
	case telemetry.WorkloadMode_SERVER:
		return model.ServerSide
	case telemetry.WorkloadMode_CLIENT_AND_SERVER:
	}
	return ""
}

func (r reporter) unknownProvider(path, of, name string, known []string) {
	if name == "" {
		r.missing(path, "a provider of %s is named", of)
		return
	}
	r.errorf("UNKNOWN-PROVIDER", path, "there is no provider of %s %q", of, shorten(name))
	hint := DidYouMean(name, known)
	if len(known) == 0 {
		hint = fmt.Sprintf("declare it in extensionProviders of the mesh's settings (the ConfigMap %s of %s)", meshConfigName, r.build.snap.Mesh.RootNamespace)
	}
	r.hint("%s", hint)
}

func unwrapped(in *wrapperspb.BoolValue) *bool {
	if in == nil {
		return nil
	}
	return &in.Value
}

func (r reporter) tracing(in *telemetry.Tracing, path string) *model.TracingRule {
	out := &model.TracingRule{Side: side(in.GetMatch().GetMode()), Disabled: unwrapped(in.DisableSpanReporting), ByRequestID: unwrapped(in.UseRequestIdForTraceSampling)}
	if len(in.Providers) > 1 {
		r.errorf("TOO-MANY", path+".providers[1]", "a proxy has one tracer")
		r.hint("keep one provider; Istio takes the first as well")
	}
	for i, p := range in.Providers {
		mesh := r.build.snap.Mesh
		if mesh.Tracer(p.GetName()) == nil {
			var known []string
			for _, t := range mesh.Tracers {
				known = append(known, t.Name)
			}
			r.unknownProvider(at(path+".providers", i)+".name", "traces", p.GetName(), known)
		}
		out.Provider = in.Providers[0].GetName()
	}
	if s := in.RandomSamplingPercentage; s != nil {
		v := r.percent(s.Value, path+".randomSamplingPercentage")
		out.Sampling = &v
	}
	if in.CustomTags != nil {
		out.Tags = []*model.SpanTag{}
	}
	for _, name := range slices.Sorted(maps.Keys(in.CustomTags)) {
		out.Tags = append(out.Tags, r.spanTag(name, in.CustomTags[name], joinPath(path+".customTags", name)))
	}
	return out
}

func (r reporter) spanTag(name string, in *telemetry.Tracing_CustomTag, path string) *model.SpanTag {
	out := &model.SpanTag{Name: name}
	if strings.TrimSpace(name) == "" {
		r.errorf("BAD-VALUE", path, "a tag needs a name")
	}
	switch {
	case in.GetLiteral() != nil:
		if out.Literal = in.GetLiteral().Value; out.Literal == "" {
			r.missing(path+".literal.value", "a literal tag needs a value")
		}
	case in.GetEnvironment() != nil:
		e := in.GetEnvironment()
		out.Environment, out.Default = e.Name, e.DefaultValue
		if !environmentName.MatchString(e.Name) {
			r.errorf("BAD-VALUE", path+".environment.name", "%q is no name of an environment variable", shorten(e.Name))
		}
	case in.GetHeader() != nil:
		h := in.GetHeader()
		out.Header, out.Default = strings.ToLower(h.Name), h.DefaultValue
		r.headerName(h.Name, path+".header.name")
	case in.GetFormatter() != nil:
		if out.Format = in.GetFormatter().Value; out.Format == "" {
			r.missing(path+".formatter.value", "a formatter needs a value, such as %%REQ(x-user)%%")
		}
		r.format(out.Format, path+".formatter.value")
	default:
		r.missing(path, "a tag is a literal, an environment, a header or a formatter")
	}
	return out
}

// format reports a text with command operators that Envoy does not take.
func (r reporter) format(text, path string) {
	if hint, err := checkFormat(text); err != nil {
		r.errorf("BAD-FORMAT", path, "%v", err)
		r.hint("%s", hint)
	}
}

func (r reporter) metricOverrides(in *telemetry.MetricsOverrides, path string) []*model.MetricOverride {
	out := &model.MetricOverride{Side: side(in.GetMatch().GetMode()), Disabled: unwrapped(in.Disabled)}
	switch m := in.GetMatch().GetMetric(); m {
	case telemetry.MetricSelector_ALL_METRICS:
	case telemetry.MetricSelector_GRPC_REQUEST_MESSAGES, telemetry.MetricSelector_GRPC_RESPONSE_MESSAGES:
		r.errorf("UNSUPPORTED-VALUE", path+".match.metric", "the mesh does not count gRPC's messages")
		r.hint("one of %s", strings.Join(model.Metrics(), ", "))
	default:
		out.Metric = m.String()
	}
	for _, name := range slices.Sorted(maps.Keys(in.TagOverrides)) {
		at := joinPath(path+".tagOverrides", name)
		o := in.TagOverrides[name]
		tag := model.MetricTag{Name: name, Remove: o.Operation == telemetry.MetricsOverrides_TagOverride_REMOVE, Expression: o.Value}
		if !labelName.MatchString(name) || name == "le" || strings.HasPrefix(name, "__") {
			r.errorf("BAD-VALUE", at, "%q cannot be a label of a metric", shorten(name))
			r.hint("letters, digits and _, not le, and no __ in front")
		}
		switch {
		case tag.Remove && o.Value != "":
			r.errorf("EXCLUSIVE-FIELDS", at+".value", "a label that goes has no value")
			r.hint("delete the value, or write operation: UPSERT")
		case !tag.Remove && o.Value == "":
			r.missing(at+".value", "which value does the label have?")
			r.hint(`value: request.host, or value: "'a text'"`)
		case !tag.Remove:
			t, hint, err := checkCEL(o.Value)
			if err == nil && (t == celMap || t == celList) {
				err = fmt.Errorf("a label cannot have %s for its value", t)
			}
			if err != nil {
				r.errorf("BAD-EXPRESSION", at+".value", "%v", err)
				r.hint("%s", hint)
			}
		}
		out.Tags = append(out.Tags, tag)
	}
	if in.Disabled == nil && len(in.TagOverrides) == 0 {
		r.missing(path, "an override disables metrics (disabled: true), or has tagOverrides")
	}
	return []*model.MetricOverride{out}
}

func (r reporter) accessLogging(in *telemetry.AccessLogging, path string) *model.AccessLogRule {
	mesh := r.build.snap.Mesh
	out := &model.AccessLogRule{Side: side(in.GetMatch().GetMode()), Disabled: in.GetDisabled().GetValue(), Filter: in.GetFilter().GetExpression()}
	for i, p := range in.Providers {
		if mesh.Log(p.GetName()) == nil {
			known := []string{model.BuiltinAccessLog}
			for _, l := range mesh.Logs {
				known = append(known, l.Name)
			}
			r.unknownProvider(at(path+".providers", i)+".name", "logs", p.GetName(), known)
		}
		out.Providers = append(out.Providers, p.GetName())
	}
	if in.Filter != nil {
		t, hint, err := checkCEL(out.Filter)
		if err == nil && t != celBool {
			err, hint = fmt.Errorf("a filter is true or false, and this is %s", t), "response.code >= 400"
		}
		if err != nil {
			r.errorf("BAD-EXPRESSION", path+".filter.expression", "%v", err)
			r.hint("%s", hint)
		}
		if len(in.Providers) == 0 {
			r.warnf("NO-EFFECT", path+".filter", "a filter is of the logs that stand beside it, and there are none")
			r.hint("add providers: [{name: %s}]", model.BuiltinAccessLog)
		}
	}
	return out
}

// telemetryRules converts the rules, of which two may not be for the same: Istio takes the older one, and files have no age.
func (b *build) telemetryRules() {
	want := map[string]*model.Telemetry{}
	scopes := map[string]*model.Telemetry{}
	for _, doc := range b.set.ofKind(kindTelemetry) {
		b.of(doc, func() {
			t := b.telemetry(doc)
			want[t.Key()] = t
			scope := fmt.Sprint(t.Namespace, t.Selector) // a map prints in order
			if other := scopes[scope]; other != nil {
				r := b.reporter(doc)
				r.errorf("DUPLICATE-SELECTOR", "spec.selector", "the Telemetry %s (%s) is for the same workloads", other.Name, other.Pos)
				r.hint("write one of the two, with the contents of both")
			}
			scopes[scope] = t
		})
	}
	b.snap = settleRules(b.snap, b.snap.Telemetries, want, model.Snapshot.WithTelemetry, model.Snapshot.WithoutTelemetry)
}
