package jwt_test

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/policy/jwt"
	"github.com/squallmesh/squall/mesh/policy/token"
)

var today = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// issuer signs tokens for a test, and has the rule that believes them.
type issuer struct {
	t    *testing.T
	name string
	key  *token.Issuer
}

func newIssuer(t *testing.T, name string) *issuer {
	t.Helper()
	key, err := token.Open(filepath.Join(t.TempDir(), "key.pem"))
	require.NoError(t, err)
	return &issuer{t, name, key}
}

func (i *issuer) rule() *model.JWTRule {
	i.t.Helper()
	jwks, err := i.key.JWKS()
	require.NoError(i.t, err)
	return &model.JWTRule{Issuer: i.name, JWKS: jwks}
}

func (i *issuer) mint(claims map[string]any, until time.Time) string {
	i.t.Helper()
	all := map[string]any{"iss": i.name}
	maps.Copy(all, claims)
	text, err := i.key.Mint(all, today.Add(-time.Hour), until)
	require.NoError(i.t, err)
	return text
}

func bearer(token string) match.Request {
	return match.Request{Path: "/", Headers: []model.Header{{Name: "authorization", Value: "Bearer " + token}}}
}

func TestWhichTokensHold(t *testing.T) {
	a, b := newIssuer(t, "https://a.test"), newIssuer(t, "https://b.test")
	forA, forB := a.rule(), b.rule()
	forA.Audiences = []string{"https://shop/"}
	later := today.Add(time.Hour)
	good := a.mint(map[string]any{"aud": "shop", "sub": "alice"}, later)
	forged := *b
	forged.name = a.name
	for name, c := range map[string]struct {
		request match.Request
		status  int
		subject any
	}{
		"none is no offence":                             {match.Request{Path: "/"}, 0, nil},
		"a good one, its audience without scheme":        {bearer(good), 0, "alice"},
		"one of the second issuer":                       {bearer(b.mint(map[string]any{"sub": "bob"}, later)), 0, "bob"},
		"of somebody else":                               {bearer(newIssuer(t, "https://c.test").mint(nil, later)), 401, nil},
		"with another issuer's key":                      {bearer(forged.mint(map[string]any{"aud": "shop"}, later)), 401, nil},
		"that is over":                                   {bearer(a.mint(map[string]any{"aud": "shop"}, today.Add(-2*time.Minute))), 401, nil},
		"that is over for less than clocks may differ":   {bearer(a.mint(map[string]any{"aud": "shop", "sub": "x"}, today.Add(-30*time.Second))), 0, "x"},
		"that has not begun":                             {bearer(a.mint(map[string]any{"aud": "shop", "nbf": later.Unix()}, later)), 401, nil},
		"for others":                                     {bearer(a.mint(map[string]any{"aud": []string{"bank"}}, later)), 403, nil},
		"for others too":                                 {bearer(a.mint(map[string]any{"aud": []string{"bank", "shop"}, "sub": "x"}, later)), 0, "x"},
		"that is no token":                               {bearer("hello"), 401, nil},
		"without a signature":                            {bearer(good[:strings.LastIndexByte(good, '.')+1]), 401, nil},
		"in the parameter of the default":                {match.Request{Path: "/x?access_token=" + good + "&y=1"}, 0, "alice"},
		"in a header that nobody looks at":               {match.Request{Path: "/", Headers: []model.Header{{Name: "x-token", Value: good}}}, 0, nil},
		"a header of authorization that is not Bearer's": {match.Request{Path: "/", Headers: []model.Header{{Name: "authorization", Value: "Basic eA=="}}}, 0, nil},
	} {
		out := jwt.Check([]*model.JWTRule{forA, forB}, c.request, today)
		require.Equal(t, c.status, out.Status, "%s: %s", name, out.Reason)
		require.Equal(t, c.subject, out.Claims["sub"], name)
		require.Equal(t, c.status == 0, out.Reason == "", name)
	}
}

// What goes on has no token that was believed, unless it is to be forwarded, and claims in headers that no client can set.
func TestWhatGoesOn(t *testing.T) {
	a := newIssuer(t, "https://a.test")
	rule := a.rule()
	rule.FromParams, rule.FromCookies = []string{"token"}, []string{"session"}
	rule.FromHeaders = []model.JWTHeader{{Name: "X-Session", Prefix: "user "}}
	rule.ClaimHeaders = []model.ClaimHeader{{Header: "x-user", Claim: "sub"}, {Header: "x-level", Claim: "rank.level"}, {Header: "x-none", Claim: "groups"}}
	text := a.mint(map[string]any{"sub": "alice", "rank": map[string]any{"level": 7}, "groups": []string{"g"}}, today.Add(time.Hour))
	forger := model.Header{Name: "x-user", Value: "root"}
	check := func(r match.Request) match.Request {
		before := len(r.Headers)
		out := jwt.Check([]*model.JWTRule{rule}, r, today)
		require.Zero(t, out.Status, out.Reason)
		require.Len(t, r.Headers, before, "the request itself stays as it was")
		return out.Request
	}
	out := check(match.Request{Path: "/x?a=1&token=" + text, Headers: []model.Header{forger}})
	require.Equal(t, "/x?a=1", out.Path)
	require.Equal(t, []model.Header{{Name: "x-user", Value: "alice"}, {Name: "x-level", Value: "7"}}, out.Headers)
	out = check(match.Request{Path: "/", Headers: []model.Header{{Name: "x-session", Value: "user " + text}}})
	_, there := out.Header("x-session")
	require.False(t, there)
	out = check(match.Request{Path: "/", Headers: []model.Header{{Name: "cookie", Value: "lang=en; session=" + text}}})
	cookie, _ := out.Header("cookie")
	require.Contains(t, cookie, text, "Envoy leaves cookies as they are")
	rule.Forward = true
	out = check(match.Request{Path: "/x?token=" + text})
	require.Equal(t, "/x?token="+text, out.Path)
	out = check(match.Request{Path: "/", Headers: []model.Header{forger}})
	require.Empty(t, out.Headers, "also without a token")
}
