package translate

import (
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// routeMatch translates one set of conditions; nil matches every path.
func routeMatch(m *model.HTTPMatch) *routev3.RouteMatch {
	out := &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
	if m == nil {
		return out
	}
	if m.URI != nil {
		switch m.URI.Kind {
		case model.Exact:
			out.PathSpecifier = &routev3.RouteMatch_Path{Path: m.URI.Value}
		case model.Prefix:
			out.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: m.URI.Value}
		case model.Regex:
			out.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: regex(m.URI.Value)}
		case model.Present:
		}
	}
	if m.IgnoreURICase {
		out.CaseSensitive = wrapperspb.Bool(false)
	}
	for _, pseudo := range []struct {
		name  string
		match *model.StringMatch
	}{{":method", m.Method}, {":authority", m.Authority}, {":scheme", m.Scheme}} {
		if pseudo.match != nil {
			out.Headers = append(out.Headers, headerMatch(model.NamedMatch{Name: pseudo.name, StringMatch: *pseudo.match}))
		}
	}
	for _, h := range m.Headers {
		if claim := model.ClaimPath(h.Name); claim != nil {
			out.DynamicMetadata = append(out.DynamicMetadata, claimMatch(claim, h.StringMatch))
			continue
		}
		out.Headers = append(out.Headers, headerMatch(h))
	}
	for _, h := range m.WithoutHeaders {
		if claim := model.ClaimPath(h.Name); claim != nil {
			without := claimMatch(claim, h.StringMatch)
			without.Invert = true
			out.DynamicMetadata = append(out.DynamicMetadata, without)
			continue
		}
		hm := headerMatch(h)
		hm.InvertMatch = true
		hm.TreatMissingHeaderAsEmpty = h.Kind != model.Present
		out.Headers = append(out.Headers, hm)
	}
	for _, q := range m.QueryParams {
		out.QueryParameters = append(out.QueryParameters, queryMatch(q))
	}
	return out
}

func regex(s string) *matcherv3.RegexMatcher { return &matcherv3.RegexMatcher{Regex: s} }

func stringMatch(m model.StringMatch) *matcherv3.StringMatcher {
	switch m.Kind {
	case model.Prefix:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: m.Value}}
	case model.Regex:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: regex(m.Value)}}
	case model.Exact, model.Present:
	}
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: m.Value}}
}

func headerMatch(h model.NamedMatch) *routev3.HeaderMatcher {
	out := &routev3.HeaderMatcher{Name: h.Name}
	if h.Kind == model.Present {
		out.HeaderMatchSpecifier = &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}
		return out
	}
	out.HeaderMatchSpecifier = &routev3.HeaderMatcher_StringMatch{StringMatch: stringMatch(h.StringMatch)}
	return out
}

func queryMatch(q model.NamedMatch) *routev3.QueryParameterMatcher {
	out := &routev3.QueryParameterMatcher{Name: q.Name}
	if q.Kind == model.Present {
		out.QueryParameterMatchSpecifier = &routev3.QueryParameterMatcher_PresentMatch{PresentMatch: true}
		return out
	}
	out.QueryParameterMatchSpecifier = &routev3.QueryParameterMatcher_StringMatch{StringMatch: stringMatch(q.StringMatch)}
	return out
}
