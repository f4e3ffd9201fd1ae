package zipkin

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// Query selects traces. Zero fields do not restrict, but for Limit.
type Query struct {
	// Service that recorded a span of the trace; the other conditions on spans then are on spans of that service.
	Service string
	// SpanName of a span.
	SpanName string
	// Tags and annotations that the trace has, all of them: by key; an empty value means any, or an annotation of that text.
	Tags map[string]string
	// MinDuration and MaxDuration of a span.
	MinDuration, MaxDuration time.Duration
	// From and To bound when the trace began: From <= begin <= To.
	From, To time.Time
	// Limit of the number of traces, the newest; 0: 10.
	Limit int
}

// DefaultLimit of a Query, Zipkin's own.
const DefaultLimit = 10

// Traces returns the spans of the traces that match, the newest trace first.
func (s *Store) Traces(q Query) [][]telemetry.Span {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	var found [][]telemetry.Span
	for _, spans := range s.snapshot() {
		if q.matches(spans) {
			found = append(found, spans)
		}
	}
	slices.SortStableFunc(found, func(a, b []telemetry.Span) int { return cmp.Compare(begin(b), begin(a)) })
	return found[:min(len(found), q.Limit)]
}

func begin(spans []telemetry.Span) int64 {
	var first int64
	for _, s := range spans {
		if s.Timestamp != 0 && (first == 0 || s.Timestamp < first) {
			first = s.Timestamp
		}
	}
	return first
}

func (q *Query) matches(spans []telemetry.Span) bool {
	at := time.UnixMicro(begin(spans))
	if !q.From.IsZero() && at.Before(q.From) || !q.To.IsZero() && at.After(q.To) {
		return false
	}
	var service, name, duration bool
	found := map[string]bool{}
	for i := range spans {
		s := &spans[i]
		if q.Service != "" && s.Service() != q.Service {
			continue
		}
		service = true
		name = name || q.SpanName == "" || s.Name == q.SpanName
		duration = duration || s.Took() >= q.MinDuration && (q.MaxDuration == 0 || s.Took() <= q.MaxDuration)
		for key, value := range q.Tags {
			if has(s, key, value) {
				found[key] = true
			}
		}
	}
	return service && name && duration && len(found) == len(q.Tags)
}

func has(s *telemetry.Span, key, value string) bool {
	tag, tagged := s.Tags[key]
	if value != "" {
		return tagged && tag == value
	}
	return tagged || slices.ContainsFunc(s.Annotations, func(a telemetry.Annotation) bool { return a.Value == key })
}

// Services returns the names of all services that recorded spans, sorted.
func (s *Store) Services() []string {
	return s.names(func(span *telemetry.Span) string { return span.Service() })
}

// SpanNames returns the names of a service's spans, sorted.
func (s *Store) SpanNames(service string) []string {
	return s.names(func(span *telemetry.Span) string {
		if span.Service() != service {
			return ""
		}
		return span.Name
	})
}

func (s *Store) names(of func(*telemetry.Span) string) []string {
	all := map[string]bool{}
	for _, spans := range s.snapshot() {
		for i := range spans {
			if name := of(&spans[i]); name != "" {
				all[name] = true
			}
		}
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Link says how often one service called another.
type Link struct {
	Parent     string `json:"parent"`
	Child      string `json:"child"`
	CallCount  int    `json:"callCount"`
	ErrorCount int    `json:"errorCount,omitempty"`
}

// Dependencies counts calls in traces that began in [from, to], zero times being open ends; sorted by parent, then child.
// A call is a server's span below another service's, or a client's span without one that names whom it called.
func (s *Store) Dependencies(from, to time.Time) []Link {
	links := map[[2]string]*Link{}
	count := func(parent, child string, span *telemetry.Span) {
		key := [2]string{parent, child}
		if links[key] == nil {
			links[key] = &Link{Parent: parent, Child: child}
		}
		links[key].CallCount++
		if _, failed := span.Tags["error"]; failed {
			links[key].ErrorCount++
		}
	}
	q := Query{From: from, To: to}
	for _, spans := range s.snapshot() {
		if !q.matches(spans) {
			continue
		}
		tree := telemetry.MakeTree(spans)
		for _, root := range slices.Concat(tree.Roots, tree.Orphans) {
			walk(root, "", count)
		}
	}
	all := make([]Link, 0, len(links))
	for _, l := range links {
		all = append(all, *l)
	}
	slices.SortFunc(all, func(a, b Link) int {
		return cmp.Or(strings.Compare(a.Parent, b.Parent), strings.Compare(a.Child, b.Child))
	})
	return all
}

// walk counts the calls below a span; caller is the nearest service above it.
func walk(n *telemetry.Node, caller string, count func(parent, child string, span *telemetry.Span)) {
	s := &n.Span
	service := s.Service()
	if s.Kind == telemetry.Server && service != "" && caller != "" {
		count(caller, service, s)
	}
	served := slices.ContainsFunc(n.Children, func(c *telemetry.Node) bool { return c.Span.Kind == telemetry.Server })
	if s.Kind == telemetry.Client && !served && service != "" && s.RemoteEndpoint != nil && s.RemoteEndpoint.ServiceName != "" {
		count(service, s.RemoteEndpoint.ServiceName, s)
	}
	for _, c := range n.Children {
		walk(c, cmp.Or(service, caller), count)
	}
}
