package lint

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// shadowedRoute finds routes whose every match an earlier one covers. Those behind a route for all requests are reported when the
// rules are read.
func shadowedRoute(p *pass) {
	for i, r := range p.routes {
		if len(r.Match) == 0 {
			continue
		}
		var by []string
		for _, m := range r.Match {
			if earlier := earlierCover(p.routes[:i], r, m); earlier != nil {
				by = append(by, earlier.Pos.String())
			}
		}
		if len(by) == len(r.Match) {
			p.report(r.Pos, "put the narrower route first",
				"this route is never reached: whatever meets its %s meets earlier ones, at %s", counted(len(r.Match), "match", "matches"), strings.Join(slices.Compact(by), ", "))
		}
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// earlierCover finds a match that covers m, of a route of the same rule before r.
func earlierCover(before []*route, r *route, m *model.HTTPMatch) *model.HTTPMatch {
	for _, e := range before {
		if e.rule != r.rule {
			continue
		}
		for _, wide := range e.Match {
			if !everything(wide) && covers(wide, m) {
				return wide
			}
		}
	}
	return nil
}

// everything says whether a match asks for nothing.
func everything(m *model.HTTPMatch) bool {
	return (m.URI == nil || m.URI.Kind == model.Prefix && m.URI.Value == "/") && m.Scheme == nil && m.Method == nil && m.Authority == nil &&
		len(m.Headers)+len(m.WithoutHeaders)+len(m.QueryParams)+len(m.SourceLabels)+len(m.Gateways) == 0 && m.SourceNamespace == "" && m.Port == 0
}

// covers says whether each request that meets narrow surely meets wide.
func covers(wide, narrow *model.HTTPMatch) bool {
	return coversPath(wide, narrow) &&
		coversText(wide.Method, narrow.Method) && coversText(wide.Scheme, narrow.Scheme) && coversText(wide.Authority, narrow.Authority) &&
		coversNamed(wide.Headers, narrow.Headers) && coversNamed(wide.QueryParams, narrow.QueryParams) &&
		containsAll(narrow.WithoutHeaders, wide.WithoutHeaders) &&
		model.Labels(narrow.SourceLabels, wide.SourceLabels) &&
		(wide.SourceNamespace == "" || wide.SourceNamespace == narrow.SourceNamespace) &&
		(wide.Port == 0 || wide.Port == narrow.Port) &&
		(len(wide.Gateways) == 0 || len(narrow.Gateways) > 0 && containsAll(wide.Gateways, narrow.Gateways))
}

func containsAll[T comparable](have, want []T) bool {
	return !slices.ContainsFunc(want, func(w T) bool { return !slices.Contains(have, w) })
}

func coversPath(wide, narrow *model.HTTPMatch) bool {
	if wide.URI == nil || wide.URI.Kind == model.Prefix && wide.URI.Value == "/" {
		return true
	}
	if narrow.URI == nil || narrow.IgnoreURICase && !wide.IgnoreURICase {
		return false
	}
	a, b := *wide.URI, *narrow.URI
	if wide.IgnoreURICase {
		if a.Kind == model.Regex || b.Kind == model.Regex {
			return false
		}
		a.Value, b.Value = strings.ToLower(a.Value), strings.ToLower(b.Value)
	}
	return coversText(&a, &b)
}

func coversText(wide, narrow *model.StringMatch) bool {
	switch {
	case wide == nil:
		return true
	case narrow == nil:
		return false
	case wide.Kind == model.Present || *wide == *narrow:
		return true
	case wide.Kind == model.Prefix:
		return (narrow.Kind == model.Exact || narrow.Kind == model.Prefix) && strings.HasPrefix(narrow.Value, wide.Value)
	}
	return wide.Kind == model.Regex && wide.Value == ".*"
}

func coversNamed(wide, narrow []model.NamedMatch) bool {
	for _, w := range wide {
		if !slices.ContainsFunc(narrow, func(n model.NamedMatch) bool { return n.Name == w.Name && coversText(&w.StringMatch, &n.StringMatch) }) {
			return false
		}
	}
	return true
}

// pathNeverMatches finds comparisons that no path meets: a path begins with a slash, and its query is not part of it.
func pathNeverMatches(p *pass) {
	for _, r := range p.routes {
		for i, m := range r.Match {
			if m.URI == nil || m.URI.Value == "" {
				continue
			}
			why, hint := "", ""
			switch m.URI.Kind {
			case model.Regex:
				if !beginsWithSlash(m.URI.Value) {
					why, hint = "the expression must match the whole path, which begins with /", "begin it with / or .*"
				}
			case model.Exact, model.Prefix:
				switch {
				case m.URI.Value[0] != '/':
					why, hint = "a path begins with /", "begin it with /"
				case strings.Contains(m.URI.Value, "?"):
					why, hint = "the query is not part of what is compared", "use queryParams"
				}
			case model.Present:
			}
			if why != "" {
				p.report(r.at(fmt.Sprintf("match[%d].uri", i)), hint, "%s %q matches no request: %s", m.URI.Kind, m.URI.Value, why)
			}
		}
	}
}

// beginsWithSlash says whether an expression can match a text that begins with a slash.
func beginsWithSlash(expr string) bool {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return true // reported when the rules are read
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return true
	}
	seen := map[uint32]bool{}
	var can func(pc uint32) bool
	can = func(pc uint32) bool {
		if seen[pc] {
			return false
		}
		seen[pc] = true
		switch i := &prog.Inst[pc]; i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			return can(i.Out) || can(i.Arg)
		case syntax.InstCapture, syntax.InstEmptyWidth, syntax.InstNop:
			return can(i.Out)
		case syntax.InstRune, syntax.InstRune1:
			return i.MatchRune('/')
		case syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			return true
		case syntax.InstMatch, syntax.InstFail:
		}
		return false
	}
	return can(uint32(prog.Start))
}

// unknownMatchPort finds ports in matches on which none of the rule's hosts is called.
func unknownMatchPort(p *pass) {
	for _, r := range p.routes {
		for i, m := range r.Match {
			if m.Port == 0 || !slices.Equal(r.rule.Gateways, []string{model.MeshGateway}) {
				continue
			}
			var ports []string
			known := false
			for _, host := range r.rule.Hosts {
				svc := p.Snapshot.Services.At(host)
				if svc == nil {
					known = true // what it is called on is not known
					continue
				}
				for _, port := range svc.Ports {
					known = known || port.Number == m.Port
					ports = append(ports, fmt.Sprint(port.Number))
				}
			}
			if !known {
				p.report(r.at(fmt.Sprintf("match[%d].port", i)), "the port is that of the service, not the one on which the app listens",
					"no request meets the match on port %d: the hosts of this rule have the ports %s", m.Port, strings.Join(ports, ", "))
			}
		}
	}
}

// weightZero finds destinations that get nothing beside others.
func weightZero(p *pass) {
	for _, r := range p.routes {
		var total uint32
		for _, d := range r.Destinations {
			total += d.Weight
		}
		for i, d := range r.Destinations {
			if len(r.Destinations) > 1 && d.Weight == 0 {
				name := shortHost(d.Host)
				if d.Subset != "" {
					name += " subset " + d.Subset
				}
				p.report(r.at(fmt.Sprintf("route[%d]", i)), "give it a weight, or leave it out",
					"%s gets no request: its weight is 0 of %d", name, total)
			}
		}
	}
}

// mirrorToSelf finds copies that go where the request goes.
func mirrorToSelf(p *pass) {
	for _, r := range p.routes {
		for _, m := range r.Mirrors {
			for _, d := range r.Destinations {
				if m.Host == d.Host && m.Subset == d.Subset && (m.Port == d.Port || m.Port == 0 || d.Port == 0) && m.Percent > 0 {
					p.report(m.Pos, "mirror to another subset or service",
						"the mirror sends %v %% of the requests a second time to where they go already, %s: it gets %v %% of them and shows nothing new", m.Percent, shortHost(m.Host), 100+m.Percent)
				}
			}
		}
	}
}
