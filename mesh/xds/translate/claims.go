package translate

import (
	"strings"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/squallmesh/squall/mesh/model"
)

// Where the filter that checks tokens leaves what a valid one says: its claims under this key of its metadata.
const (
	jwtFilter     = "envoy.filters.http.jwt_authn"
	claimsPayload = "payload"
)

// claimIs compares a claim of the token, or each of a list, by the claim's path.
func claimIs(path ...string) func(string) *rbacv3.Principal {
	return func(v string) *rbacv3.Principal {
		text := &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_StringMatch{StringMatch: textMatch(v, "")}}
		list := &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_ListMatch{ListMatch: &matcherv3.ListMatcher{
			MatchPattern: &matcherv3.ListMatcher_OneOf{OneOf: text},
		}}}
		return orIDs(metadata(text, path...), metadata(list, path...))
	}
}

// claimMatch is what a route asks of a claim, or of one in a list.
func claimMatch(path []string, m model.StringMatch) *matcherv3.MetadataMatcher {
	if m.Kind == model.Present {
		return claimMetadata(&matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_PresentMatch{PresentMatch: true}}, path...)
	}
	text := &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_StringMatch{StringMatch: stringMatch(m)}}
	list := &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_ListMatch{ListMatch: &matcherv3.ListMatcher{
		MatchPattern: &matcherv3.ListMatcher_OneOf{OneOf: text},
	}}}
	return claimMetadata(&matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_OrMatch{
		OrMatch: &matcherv3.OrMatcher{ValueMatchers: []*matcherv3.ValueMatcher{text, list}},
	}}, path...)
}

func metadata(v *matcherv3.ValueMatcher, path ...string) *rbacv3.Principal {
	return &rbacv3.Principal{Identifier: &rbacv3.Principal_SourcedMetadata{SourcedMetadata: &rbacv3.SourcedMetadata{
		MetadataMatcher: claimMetadata(v, path...),
	}}}
}

func claimMetadata(v *matcherv3.ValueMatcher, path ...string) *matcherv3.MetadataMatcher {
	m := &matcherv3.MetadataMatcher{Filter: jwtFilter, Value: v}
	for _, key := range append([]string{claimsPayload}, path...) {
		m.Path = append(m.Path, &matcherv3.MetadataMatcher_PathSegment{Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: key}})
	}
	return m
}

// requestPrincipal compares issuer/subject, which the token has in two claims: wherever the value has a slash, the first part may be the
// issuer.
func requestPrincipal(v string) *rbacv3.Principal {
	text := func(m *matcherv3.StringMatcher) *matcherv3.ValueMatcher {
		return &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_StringMatch{StringMatch: m}}
	}
	both := func(issuer, subject *matcherv3.StringMatcher) *rbacv3.Principal {
		return andIDs([]*rbacv3.Principal{metadata(text(issuer), "iss"), metadata(text(subject), "sub")})
	}
	something := regexMatch("(?s).+")
	if v == "*" {
		return both(something, something)
	}
	exact := func(s string) *matcherv3.StringMatcher {
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: s}}
	}
	prefix, suffix := strings.HasSuffix(v, "*"), strings.HasPrefix(v, "*")
	if suffix {
		prefix = false
		v = v[1:]
	} else if prefix {
		v = v[:len(v)-1]
	}
	var out []*rbacv3.Principal
	switch { // without a slash at hand the value may lie in one part as a whole
	case prefix && v != "":
		out = append(out, both(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: v}}, something))
	case suffix && v != "":
		out = append(out, both(something, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: v}}))
	}
	for i := range len(v) {
		if v[i] != '/' {
			continue
		}
		issuer, subject := v[:i], v[i+1:]
		switch {
		case prefix:
			rest := something
			if subject != "" {
				rest = &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: subject}}
			}
			out = append(out, both(exact(issuer), rest))
		case suffix:
			first := something
			if issuer != "" {
				first = &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: issuer}}
			}
			out = append(out, both(first, exact(subject)))
		default:
			out = append(out, both(exact(issuer), exact(subject)))
		}
	}
	if len(out) == 0 { // no issuer/subject has this form
		return &rbacv3.Principal{Identifier: &rbacv3.Principal_NotId{NotId: andIDs(nil)}}
	}
	return orIDs(out...)
}

func orIDs(list ...*rbacv3.Principal) *rbacv3.Principal {
	return &rbacv3.Principal{Identifier: &rbacv3.Principal_OrIds{OrIds: &rbacv3.Principal_Set{Ids: list}}}
}
