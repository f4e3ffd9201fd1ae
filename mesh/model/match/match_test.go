package match_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
)

func text(kind model.MatchKind, value string) *model.StringMatch {
	return &model.StringMatch{Kind: kind, Value: value}
}

func named(name string, kind model.MatchKind, value string) []model.NamedMatch {
	return []model.NamedMatch{{Name: name, StringMatch: model.StringMatch{Kind: kind, Value: value}}}
}

func TestMatches(t *testing.T) {
	r := &match.Request{
		Method: "GET", Scheme: "http", Authority: "shop.example:80", Path: "/Books/7?user=ann&x=a%20b&flag",
		Headers: []model.Header{{Name: "cookie", Value: "lang=en; user=jason"}, {Name: "x-many", Value: "a"}, {Name: "x-many", Value: "b"}},
	}
	for name, c := range map[string]struct {
		match *model.HTTPMatch
		want  bool
	}{
		"nothing is asked":                        {nil, true},
		"a prefix":                                {&model.HTTPMatch{URI: text(model.Prefix, "/Books/")}, true},
		"a prefix knows case":                     {&model.HTTPMatch{URI: text(model.Prefix, "/books/")}, false},
		"unless told otherwise":                   {&model.HTTPMatch{URI: text(model.Prefix, "/books/"), IgnoreURICase: true}, true},
		"an exact path has no query":              {&model.HTTPMatch{URI: text(model.Exact, "/Books/7")}, true},
		"a regular expression matches the whole":  {&model.HTTPMatch{URI: text(model.Regex, "/Books")}, false},
		"which it does here":                      {&model.HTTPMatch{URI: text(model.Regex, `/Books/\d+`)}, true},
		"alternatives stay together":              {&model.HTTPMatch{URI: text(model.Regex, "/Books|/Books/7")}, true},
		"a method":                                {&model.HTTPMatch{Method: text(model.Exact, "PUT")}, false},
		"an authority with its port":              {&model.HTTPMatch{Authority: text(model.Exact, "shop.example:80")}, true},
		"a header by its middle":                  {&model.HTTPMatch{Headers: named("cookie", model.Regex, "^(.*; *)?user=jason(;.*)?$")}, true},
		"several values are one":                  {&model.HTTPMatch{Headers: named("x-many", model.Exact, "a,b")}, true},
		"a header that is missing":                {&model.HTTPMatch{Headers: named("x-none", model.Exact, "")}, false},
		"any value":                               {&model.HTTPMatch{Headers: named("x-many", model.Present, "")}, true},
		"without a header that is there":          {&model.HTTPMatch{WithoutHeaders: named("x-many", model.Present, "")}, false},
		"without one that is not":                 {&model.HTTPMatch{WithoutHeaders: named("x-none", model.Present, "")}, true},
		"a missing one counts as empty":           {&model.HTTPMatch{WithoutHeaders: named("x-none", model.Regex, ".*")}, false},
		"and so is no other value":                {&model.HTTPMatch{WithoutHeaders: named("x-none", model.Exact, "a")}, true},
		"a parameter":                             {&model.HTTPMatch{QueryParams: named("user", model.Exact, "ann")}, true},
		"a parameter is read as it was written":   {&model.HTTPMatch{QueryParams: named("x", model.Exact, "a%20b")}, true},
		"and not as people meant it":              {&model.HTTPMatch{QueryParams: named("x", model.Exact, "a b")}, false},
		"a parameter without a value is there":    {&model.HTTPMatch{QueryParams: named("flag", model.Present, "")}, true},
		"all must hold, and one does not":         {&model.HTTPMatch{URI: text(model.Prefix, "/"), Method: text(model.Exact, "PUT")}, false},
		"the scheme":                              {&model.HTTPMatch{Scheme: text(model.Exact, "https")}, false},
		"a prefix that is longer than the path":   {&model.HTTPMatch{URI: text(model.Prefix, "/Books/7/and/more"), IgnoreURICase: true}, false},
		"a regular expression keeps its own case": {&model.HTTPMatch{URI: text(model.Regex, "/books/7"), IgnoreURICase: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := match.New(c.match)
			require.NoError(t, err)
			require.Equal(t, c.want, m.Matches(r))
		})
	}
	_, err := match.New(&model.HTTPMatch{URI: text(model.Regex, "(")})
	require.ErrorContains(t, err, `the regular expression "("`)
}

func TestApplies(t *testing.T) {
	rule := &model.VirtualService{Gateways: []string{model.MeshGateway}}
	caller := match.Caller{Gateway: model.MeshGateway, Namespace: "shop", Labels: map[string]string{"app": "web", "version": "v1"}, Port: 80}
	for name, c := range map[string]struct {
		match model.HTTPMatch
		want  bool
	}{
		"any caller":             {model.HTTPMatch{}, true},
		"its labels":             {model.HTTPMatch{SourceLabels: map[string]string{"app": "web"}}, true},
		"another's labels":       {model.HTTPMatch{SourceLabels: map[string]string{"app": "cart"}}, false},
		"another namespace":      {model.HTTPMatch{SourceNamespace: "bank"}, false},
		"another port":           {model.HTTPMatch{Port: 81}, false},
		"its port":               {model.HTTPMatch{Port: 80}, true},
		"a gateway of the match": {model.HTTPMatch{Gateways: []string{"shop/door"}}, false},
	} {
		require.Equal(t, c.want, caller.Applies(rule, &c.match), name)
	}
}
