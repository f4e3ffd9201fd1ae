package eval

import (
	"fmt"
	"regexp"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
)

// rewritten gives the path that is sent on, its query kept.
func (e *evaluation) rewritten(m *routev3.RouteMatch, a *routev3.RouteAction) (string, error) {
	plain, query, found := strings.Cut(e.req.Path, "?")
	switch {
	case a.GetPrefixRewrite() != "":
		plain = replacePrefix(m, plain, a.GetPrefixRewrite())
	case a.GetRegexRewrite() != nil:
		var err error
		if plain, err = substitute(a.GetRegexRewrite(), plain); err != nil {
			return "", err
		}
	}
	if found {
		plain += "?" + query
	}
	return plain, nil
}

// replacePrefix replaces what the route matched: a prefix, or the whole path where an exact path or an expression matched.
func replacePrefix(m *routev3.RouteMatch, path, by string) string {
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		return by + path[min(len(p.Prefix), len(path)):]
	case *routev3.RouteMatch_PathSeparatedPrefix:
		return by + path[min(len(p.PathSeparatedPrefix), len(path)):]
	}
	return by
}

var backReference = regexp.MustCompile(`\\(\\|\d)`)

// substitute replaces every match; \1 in the substitution is the first group, as RE2 writes it.
func substitute(s *matcherv3.RegexMatchAndSubstitute, path string) (string, error) {
	re, err := regexp.Compile(s.GetPattern().GetRegex())
	if err != nil {
		return "", fmt.Errorf("regular expression of a rewrite: %w", err)
	}
	by := strings.ReplaceAll(s.GetSubstitution(), "$", "$$")
	by = backReference.ReplaceAllStringFunc(by, func(ref string) string {
		if ref == `\\` {
			return `\`
		}
		return "${" + ref[1:] + "}"
	})
	return re.ReplaceAllString(path, by), nil
}

var redirectCodes = map[routev3.RedirectAction_RedirectResponseCode]uint32{
	routev3.RedirectAction_MOVED_PERMANENTLY: 301, routev3.RedirectAction_FOUND: 302, routev3.RedirectAction_SEE_OTHER: 303,
	routev3.RedirectAction_TEMPORARY_REDIRECT: 307, routev3.RedirectAction_PERMANENT_REDIRECT: 308,
}

// redirect gives the new address. Source: RouteEntryImplBase::newUri of Envoy.
func (e *evaluation) redirect(m *routev3.RouteMatch, r *routev3.RedirectAction) error {
	scheme := e.req.Scheme
	if s := r.GetSchemeRedirect(); s != "" {
		scheme = s
	} else if r.GetHttpsRedirect() {
		scheme = "https"
	}
	host := r.GetHostRedirect()
	if host == "" {
		host = e.req.Authority
		name, port, ok := cutPort(host)
		if ok && (r.GetPortRedirect() != 0 || scheme == "https" && port == 80 || scheme == "http" && port == 443) {
			host = name
		}
	}
	if p := r.GetPortRedirect(); p != 0 {
		host = fmt.Sprintf("%s:%d", host, p)
	}
	plain, query, found := strings.Cut(e.req.Path, "?")
	switch p := r.GetPathRewriteSpecifier().(type) {
	case *routev3.RedirectAction_PathRedirect:
		plain = p.PathRedirect
		found = found && !strings.Contains(plain, "?") // the new path's own query is the only one
	case *routev3.RedirectAction_PrefixRewrite:
		plain = replacePrefix(m, plain, p.PrefixRewrite)
	case *routev3.RedirectAction_RegexRewrite:
		var err error
		if plain, err = substitute(p.RegexRewrite, plain); err != nil {
			return err
		}
	}
	if found && !r.GetStripQuery() {
		plain += "?" + query
	}
	e.out.Answer = &Answer{Status: redirectCodes[r.GetResponseCode()], Why: "the route redirects", Location: scheme + "://" + host + plain}
	return nil
}

// edits lists what happens to headers, in words.
func edits(reqAdd []*corev3.HeaderValueOption, reqRemove []string, respAdd []*corev3.HeaderValueOption, respRemove []string) []string {
	var out []string
	list := func(side string, add []*corev3.HeaderValueOption, remove []string) {
		for _, h := range add {
			verb := "add"
			if h.GetAppendAction() == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
				verb = "set"
			}
			out = append(out, fmt.Sprintf("%s: %s %s = %s", side, verb, h.GetHeader().GetKey(), h.GetHeader().GetValue()))
		}
		for _, name := range remove {
			out = append(out, fmt.Sprintf("%s: remove %s", side, name))
		}
	}
	list("request", reqAdd, reqRemove)
	list("response", respAdd, respRemove)
	return out
}

// percentOf gives a fraction as a percentage.
func percentOf(f *typev3.FractionalPercent) float64 {
	switch f.GetDenominator() {
	case typev3.FractionalPercent_TEN_THOUSAND:
		return float64(f.GetNumerator()) / 100
	case typev3.FractionalPercent_MILLION:
		return float64(f.GetNumerator()) / 10_000
	}
	return float64(f.GetNumerator())
}
