package match

import (
	"errors"
	"slices"

	"github.com/squallmesh/squall/mesh/model"
)

// named compares a header or a query parameter.
type named struct {
	name string
	text Text
}

// Matcher is one set of conditions that must all hold. The zero Matcher takes every request.
type Matcher struct {
	uri                          *Text
	ignoreCase                   bool
	method, scheme, authority    *Text
	headers, without, parameters []named
}

// New reads the conditions that a request decides; those of caller, gateway and port are Applies. nil takes every request.
func New(m *model.HTTPMatch) (*Matcher, error) {
	out := &Matcher{}
	if m == nil {
		return out, nil
	}
	var problems []error
	text := func(s *model.StringMatch) *Text {
		if s == nil {
			return nil
		}
		t, err := NewText(*s)
		problems = append(problems, err)
		return &t
	}
	list := func(in []model.NamedMatch) (out []named) {
		for _, n := range in {
			t, err := NewText(n.StringMatch)
			problems = append(problems, err)
			out = append(out, named{n.Name, t})
		}
		return out
	}
	out.uri, out.ignoreCase = text(m.URI), m.IgnoreURICase
	out.method, out.scheme, out.authority = text(m.Method), text(m.Scheme), text(m.Authority)
	out.headers, out.without, out.parameters = list(m.Headers), list(m.WithoutHeaders), list(m.QueryParams)
	return out, errors.Join(problems...)
}

// NewHeaders reads conditions on headers alone.
func NewHeaders(headers []model.NamedMatch) (*Matcher, error) {
	return New(&model.HTTPMatch{Headers: headers})
}

// Matches reports whether all conditions hold. Paths are compared without their query. A header that must not match and is missing is
// compared as an empty one, unless any value is forbidden.
func (m *Matcher) Matches(r *Request) bool {
	if m.uri != nil {
		compare := m.uri.Matches
		if m.ignoreCase {
			compare = m.uri.folded
		}
		if !compare(r.path()) {
			return false
		}
	}
	if !holds(m.method, r.Method) || !holds(m.scheme, r.Scheme) || !holds(m.authority, r.Authority) {
		return false
	}
	for _, h := range m.headers {
		if v, found := r.Header(h.name); !found || !h.text.Matches(v) {
			return false
		}
	}
	for _, h := range m.without {
		v, found := r.Header(h.name)
		if (found || h.text.kind != model.Present) && h.text.Matches(v) {
			return false
		}
	}
	for _, q := range m.parameters {
		if v, found := r.Query(q.name); !found || !q.text.Matches(v) {
			return false
		}
	}
	return true
}

func holds(t *Text, s string) bool { return t == nil || t.Matches(s) }

// Caller is who obeys a rule, and where.
type Caller struct {
	// Gateway is namespace/name of one, or model.MeshGateway for sidecars.
	Gateway   string
	Namespace string
	Labels    map[string]string
	// Port that is called.
	Port uint32
}

// Applies decides the conditions that are settled before a request comes.
func (c Caller) Applies(rule *model.VirtualService, m *model.HTTPMatch) bool {
	gateways := m.Gateways
	if len(gateways) == 0 {
		gateways = rule.Gateways
	}
	return slices.Contains(gateways, c.Gateway) &&
		model.Labels(c.Labels, m.SourceLabels) &&
		(m.SourceNamespace == "" || m.SourceNamespace == c.Namespace) &&
		(m.Port == 0 || m.Port == c.Port)
}
