package eval

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// unmet gives the first condition of a route that a request does not meet, in words, or "" if it meets them all.
func (e *evaluation) unmet(m *routev3.RouteMatch) (string, error) {
	if m.GetRuntimeFraction() != nil || m.GetTlsContext() != nil || m.GetGrpc() != nil || len(m.GetDynamicMetadata()) > 0 || len(m.GetCookies()) > 0 || len(m.GetFilterState()) > 0 {
		return "", errors.New("it has a condition that is not evaluated here: a runtime fraction, TLS, gRPC, cookies, metadata or filter state")
	}
	ok, err := e.path(m)
	if err != nil {
		return "", err
	}
	if !ok {
		return fmt.Sprintf("path %s is not %s", e.req.plainPath(), pathText(m)), nil
	}
	for _, h := range m.GetHeaders() {
		ok, err := e.header(h)
		if err != nil {
			return "", err
		}
		if !ok {
			return e.headerUnmet(h), nil
		}
	}
	for _, q := range m.GetQueryParameters() {
		ok, err := e.query(q)
		if err != nil {
			return "", err
		}
		if !ok {
			return fmt.Sprintf("query parameter %s is not %s", q.GetName(), queryText(q)), nil
		}
	}
	return "", nil
}

// path compares the path without its query. Case counts unless the route says otherwise.
func (e *evaluation) path(m *routev3.RouteMatch) (bool, error) {
	path := e.req.plainPath()
	fold := m.GetCaseSensitive() != nil && !m.GetCaseSensitive().GetValue()
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		return compare(path, p.Prefix, fold, strings.HasPrefix), nil
	case *routev3.RouteMatch_Path:
		return compare(path, p.Path, fold, func(a, b string) bool { return a == b }), nil
	case *routev3.RouteMatch_SafeRegex:
		return fullMatch(p.SafeRegex.GetRegex(), path)
	case *routev3.RouteMatch_PathSeparatedPrefix:
		is := compare(path, p.PathSeparatedPrefix, fold, strings.HasPrefix)
		return is && (len(path) == len(p.PathSeparatedPrefix) || path[len(p.PathSeparatedPrefix)] == '/'), nil
	case *routev3.RouteMatch_ConnectMatcher_:
		return e.req.Method == http.MethodConnect, nil
	}
	return false, fmt.Errorf("its path is compared in a way that is not evaluated here: %T", m.GetPathSpecifier())
}

func compare(have, want string, fold bool, is func(a, b string) bool) bool {
	if fold {
		have, want = strings.ToLower(have), strings.ToLower(want)
	}
	return is(have, want)
}

// header decides one condition. A header that is missing meets none, inverted or not, unless it is to count as empty or its
// presence is what is asked.
func (e *evaluation) header(h *routev3.HeaderMatcher) (bool, error) {
	value, present := e.req.value(strings.ToLower(h.GetName()))
	var ok bool
	switch s := h.GetHeaderMatchSpecifier().(type) {
	case nil:
		return present != h.GetInvertMatch(), nil
	case *routev3.HeaderMatcher_PresentMatch:
		return (present == s.PresentMatch) != h.GetInvertMatch(), nil
	case *routev3.HeaderMatcher_StringMatch:
		if !present && !h.GetTreatMissingHeaderAsEmpty() {
			return false, nil
		}
		var err error
		if ok, err = text(s.StringMatch, value); err != nil {
			return false, err
		}
	default:
		return false, fmt.Errorf("the header %s is compared in a way that is not evaluated here: %T", h.GetName(), s)
	}
	return ok != h.GetInvertMatch(), nil
}

func (e *evaluation) query(q *routev3.QueryParameterMatcher) (bool, error) {
	value, present := e.req.queryValue(q.GetName())
	switch s := q.GetQueryParameterMatchSpecifier().(type) {
	case nil:
		return present, nil
	case *routev3.QueryParameterMatcher_PresentMatch:
		return present == s.PresentMatch, nil
	case *routev3.QueryParameterMatcher_StringMatch:
		if !present {
			return false, nil
		}
		return text(s.StringMatch, value)
	}
	return false, fmt.Errorf("the query parameter %s is compared in a way that is not evaluated here", q.GetName())
}

func text(m *matcherv3.StringMatcher, value string) (bool, error) {
	fold := m.GetIgnoreCase()
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return compare(value, p.Exact, fold, func(a, b string) bool { return a == b }), nil
	case *matcherv3.StringMatcher_Prefix:
		return compare(value, p.Prefix, fold, strings.HasPrefix), nil
	case *matcherv3.StringMatcher_Suffix:
		return compare(value, p.Suffix, fold, strings.HasSuffix), nil
	case *matcherv3.StringMatcher_Contains:
		return compare(value, p.Contains, fold, strings.Contains), nil
	case *matcherv3.StringMatcher_SafeRegex:
		return fullMatch(p.SafeRegex.GetRegex(), value)
	}
	return false, fmt.Errorf("text is compared in a way that is not evaluated here: %T", m.GetMatchPattern())
}

// compiled keeps regular expressions: there are few, and each is asked often.
var compiled sync.Map

// fullMatch compares by RE2, whose syntax is Go's; the whole must match.
func fullMatch(expr, value string) (bool, error) {
	re, err := anchored(expr)
	return err == nil && re.MatchString(value), err
}

func anchored(expr string) (*regexp.Regexp, error) {
	if re, ok := compiled.Load(expr); ok {
		return re.(*regexp.Regexp), nil
	}
	re, err := regexp.Compile(`\A(?:` + expr + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", expr, err)
	}
	compiled.Store(expr, re)
	return re, nil
}

func (e *evaluation) headerUnmet(h *routev3.HeaderMatcher) string {
	value, present := e.req.value(strings.ToLower(h.GetName()))
	have := "is missing"
	if present {
		have = "is " + value
	}
	return fmt.Sprintf("%s %s, and should be %s", h.GetName(), have, headerText(h))
}

func pathText(m *routev3.RouteMatch) string {
	var out string
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		out = p.Prefix + "*"
	case *routev3.RouteMatch_Path:
		out = p.Path
	case *routev3.RouteMatch_SafeRegex:
		out = "~" + p.SafeRegex.GetRegex()
	case *routev3.RouteMatch_PathSeparatedPrefix:
		out = p.PathSeparatedPrefix + "[/*]"
	case *routev3.RouteMatch_ConnectMatcher_:
		return "CONNECT"
	}
	if m.GetCaseSensitive() != nil && !m.GetCaseSensitive().GetValue() {
		out += " (any case)"
	}
	return out
}

func stringText(m *matcherv3.StringMatcher) string {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return p.Exact
	case *matcherv3.StringMatcher_Prefix:
		return p.Prefix + "*"
	case *matcherv3.StringMatcher_Suffix:
		return "*" + p.Suffix
	case *matcherv3.StringMatcher_Contains:
		return "*" + p.Contains + "*"
	case *matcherv3.StringMatcher_SafeRegex:
		return "~" + p.SafeRegex.GetRegex()
	}
	return "?"
}

func headerText(h *routev3.HeaderMatcher) string {
	out := "there"
	if s, ok := h.GetHeaderMatchSpecifier().(*routev3.HeaderMatcher_StringMatch); ok {
		out = stringText(s.StringMatch)
	}
	if h.GetInvertMatch() {
		out = "not " + out
	}
	return out
}

func queryText(q *routev3.QueryParameterMatcher) string {
	if s, ok := q.GetQueryParameterMatchSpecifier().(*routev3.QueryParameterMatcher_StringMatch); ok {
		return stringText(s.StringMatch)
	}
	return "there"
}

// matchText is all conditions of a route in words.
func matchText(m *routev3.RouteMatch) string {
	out := []string{pathText(m)}
	for _, h := range m.GetHeaders() {
		out = append(out, strings.TrimPrefix(h.GetName(), ":")+"="+headerText(h))
	}
	for _, q := range m.GetQueryParameters() {
		out = append(out, "?"+q.GetName()+"="+queryText(q))
	}
	return strings.Join(out, " ")
}
