package otlp

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	resourcev1 "go.opentelemetry.io/proto/otlp/resource/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/zipkin"
)

// serviceName is the attribute of a resource that says who recorded its spans.
const serviceName = "service.name"

var kinds = map[tracev1.Span_SpanKind]telemetry.Kind{
	tracev1.Span_SPAN_KIND_CLIENT:   telemetry.Client,
	tracev1.Span_SPAN_KIND_SERVER:   telemetry.Server,
	tracev1.Span_SPAN_KIND_PRODUCER: telemetry.Producer,
	tracev1.Span_SPAN_KIND_CONSUMER: telemetry.Consumer,
}

// Spans turns what came into spans as the store has them; an error names those whose ids are wrong, which are left out.
func Spans(in []*tracev1.ResourceSpans) ([]telemetry.Span, error) {
	var out []telemetry.Span
	var errs []error
	for _, r := range in {
		service := attributes(r.GetResource().GetAttributes())[serviceName]
		for _, scope := range r.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				one := span(s, service)
				if err := zipkin.Normalize(&one); err != nil {
					errs = append(errs, err)
					continue
				}
				out = append(out, one)
			}
		}
	}
	return out, errors.Join(errs...)
}

func span(in *tracev1.Span, service string) telemetry.Span {
	begin, end := in.GetStartTimeUnixNano(), in.GetEndTimeUnixNano()
	out := telemetry.Span{
		TraceID: hex.EncodeToString(in.GetTraceId()), ID: hex.EncodeToString(in.GetSpanId()), ParentID: hex.EncodeToString(in.GetParentSpanId()),
		Kind: kinds[in.GetKind()], Name: in.GetName(), Timestamp: micros(begin), Duration: max(1, micros(end)-micros(begin)),
		LocalEndpoint: &telemetry.Endpoint{ServiceName: service}, Tags: attributes(in.GetAttributes()),
	}
	for _, e := range in.GetEvents() {
		out.Annotations = append(out.Annotations, telemetry.Annotation{Timestamp: micros(e.GetTimeUnixNano()), Value: e.GetName()})
	}
	if in.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR && out.Tags["error"] == "" {
		out.Tags["error"] = "true"
	}
	return out
}

// micros are microseconds of nanoseconds; what does not fit is no time.
func micros(nanos uint64) int64 { return int64(nanos / uint64(time.Microsecond)) }

func attributes(in []*commonv1.KeyValue) map[string]string {
	out := make(map[string]string, len(in))
	for _, a := range in {
		out[a.GetKey()] = text(a.GetValue())
	}
	return out
}

// text writes a value as the specification does for formats that have texts alone.
func text(v *commonv1.AnyValue) string {
	switch x := v.GetValue().(type) {
	case *commonv1.AnyValue_StringValue:
		return x.StringValue
	case *commonv1.AnyValue_BoolValue:
		return strconv.FormatBool(x.BoolValue)
	case *commonv1.AnyValue_IntValue:
		return strconv.FormatInt(x.IntValue, 10)
	case *commonv1.AnyValue_DoubleValue:
		return strconv.FormatFloat(x.DoubleValue, 'g', -1, 64)
	case *commonv1.AnyValue_ArrayValue:
		list := []string{}
		for _, one := range x.ArrayValue.GetValues() {
			list = append(list, text(one))
		}
		b, err := json.Marshal(list)
		if err != nil {
			return ""
		}
		return string(b)
	}
	return ""
}

// resourceSpans turns spans of the store into what the protocol sends, by who recorded them.
func resourceSpans(spans []telemetry.Span) []*tracev1.ResourceSpans {
	byService := map[string]*tracev1.ScopeSpans{}
	for i := range spans {
		s := &spans[i]
		scope := byService[s.Service()]
		if scope == nil {
			scope = &tracev1.ScopeSpans{}
			byService[s.Service()] = scope
		}
		scope.Spans = append(scope.Spans, protoSpan(s))
	}
	var out []*tracev1.ResourceSpans
	for _, service := range slices.Sorted(maps.Keys(byService)) {
		out = append(out, &tracev1.ResourceSpans{
			Resource:   &resourcev1.Resource{Attributes: []*commonv1.KeyValue{keyValue(serviceName, service)}},
			ScopeSpans: []*tracev1.ScopeSpans{byService[service]},
		})
	}
	return out
}

func protoSpan(s *telemetry.Span) *tracev1.Span {
	out := &tracev1.Span{
		TraceId: digits(s.TraceID, 32), SpanId: digits(s.ID, 16), Name: s.Name, Kind: tracev1.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: uint64(max(0, s.Timestamp)) * uint64(time.Microsecond),
		EndTimeUnixNano:   uint64(max(0, s.Timestamp+s.Duration)) * uint64(time.Microsecond),
	}
	if s.ParentID != "" {
		out.ParentSpanId = digits(s.ParentID, 16)
	}
	for kind, name := range kinds {
		if name == s.Kind {
			out.Kind = kind
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		out.Attributes = append(out.Attributes, keyValue(name, s.Tags[name]))
	}
	for _, a := range s.Annotations {
		out.Events = append(out.Events, &tracev1.Span_Event{Name: a.Value, TimeUnixNano: uint64(max(0, a.Timestamp)) * uint64(time.Microsecond)})
	}
	if _, failed := s.Tags["error"]; failed {
		out.Status = &tracev1.Status{Code: tracev1.Status_STATUS_CODE_ERROR}
	}
	return out
}

func keyValue(name, value string) *commonv1.KeyValue {
	return &commonv1.KeyValue{Key: name, Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: value}}}
}

// digits reads an id of so many hex digits, with zeros in front of a shorter one.
func digits(id string, n int) []byte {
	b, err := hex.DecodeString(id)
	if err != nil || 2*len(b) > n {
		return nil // ids in the store are normal
	}
	return append(make([]byte, n/2-len(b)), b...)
}
