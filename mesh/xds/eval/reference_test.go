package eval_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/eval"
)

// reference says what Istio's documents promise of a rule, as plainly as can be: it reads the model, and nothing of Envoy's.
// met counts how often each kind of condition held, unmet how often it did not.
type reference struct {
	caller     *model.Workload
	met, unmet map[string]int
}

func newReference(caller *model.Workload) *reference {
	return &reference{caller: caller, met: map[string]int{}, unmet: map[string]int{}}
}

// Outcomes that are no route of the rule.
const (
	noRoute = -1
	// noRule is where the rule says nothing at all to this caller on this port, so that the request goes to its service.
	noRule = -2
)

// route gives the index of the first route that takes the request, and whether a later one would take it as well.
func (r *reference) route(rule *model.VirtualService, port uint32, req eval.Request) (first int, shadows bool) {
	first = noRule
	for _, h := range rule.HTTP {
		if len(h.Match) == 0 || slices.ContainsFunc(h.Match, func(m *model.HTTPMatch) bool { return r.concerns(m, port) }) {
			first = noRoute
		}
	}
	for i, h := range rule.HTTP {
		takes := len(h.Match) == 0
		for _, m := range h.Match {
			takes = r.holds(m, port, req) || takes
		}
		switch {
		case takes && first < 0:
			first = i
		case takes:
			shadows = true
		}
	}
	return first, shadows
}

// concerns says whether a match may hold for this caller on this port, whatever the request.
func (r *reference) concerns(m *model.HTTPMatch, port uint32) bool {
	return model.Labels(r.caller.Labels, m.SourceLabels) && (m.SourceNamespace == "" || m.SourceNamespace == r.caller.Namespace) &&
		(m.Port == 0 || m.Port == port)
}

func (r *reference) holds(m *model.HTTPMatch, port uint32, req eval.Request) bool {
	all := true
	check := func(operator string, is bool) {
		if is {
			r.met[operator]++
		} else {
			r.unmet[operator]++
		}
		all = all && is
	}
	path, query, _ := strings.Cut(req.Path, "?")
	if m.URI != nil {
		operator, want := "uri "+string(m.URI.Kind), *m.URI
		if m.IgnoreURICase && want.Kind != model.Regex {
			operator += " in any case"
			path, want.Value = strings.ToLower(path), strings.ToLower(want.Value)
		}
		check(operator, matches(want, path))
	}
	for name, c := range map[string]struct {
		want *model.StringMatch
		have string
	}{"method": {m.Method, req.Method}, "authority": {m.Authority, req.Authority}, "scheme": {m.Scheme, req.Scheme}} {
		if c.want != nil {
			check(name+" "+string(c.want.Kind), matches(*c.want, c.have))
		}
	}
	for _, h := range m.Headers {
		value, there := req.Header[h.Name]
		check("header "+string(h.Kind), there && matches(h.StringMatch, strings.Join(value, ",")))
	}
	for _, h := range m.WithoutHeaders {
		// Istio has a header that is missing count as an empty one here, except where any value is meant.
		value, there := req.Header[h.Name]
		check("without header "+string(h.Kind), h.Kind == model.Present && !there ||
			h.Kind != model.Present && !matches(h.StringMatch, strings.Join(value, ",")))
	}
	for _, q := range m.QueryParams {
		i := slices.IndexFunc(strings.Split(query, "&"), func(p string) bool { return p == q.Name || strings.HasPrefix(p, q.Name+"=") })
		value := ""
		if i >= 0 {
			_, value, _ = strings.Cut(strings.Split(query, "&")[i], "=")
		}
		check("query "+string(q.Kind), i >= 0 && matches(q.StringMatch, value))
	}
	if len(m.SourceLabels) > 0 {
		is := true
		for k, v := range m.SourceLabels {
			is = is && r.caller.Labels[k] == v
		}
		check("source labels", is)
	}
	if m.SourceNamespace != "" {
		check("source namespace", m.SourceNamespace == r.caller.Namespace)
	}
	if m.Port != 0 {
		check("port", m.Port == port)
	}
	return all
}

func matches(m model.StringMatch, value string) bool {
	switch m.Kind {
	case model.Exact:
		return value == m.Value
	case model.Prefix:
		return strings.HasPrefix(value, m.Value)
	case model.Regex:
		found := regexp.MustCompile(m.Value)
		found.Longest()
		return slices.Contains(found.FindAllString(value, 1), value)
	case model.Present:
	}
	return true
}

// outcome is what the client gets: the answer of a route, 404 without one, else what its service answers.
func outcome(route int) string {
	switch route {
	case noRoute:
		return "404"
	case noRule:
		return "sent on"
	}
	return fmt.Sprintf("route %d", route)
}
