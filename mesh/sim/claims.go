package sim

import (
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
)

// claimsMatch decides what a match asks of the claims of a token; see model.ClaimPath. A claim that must not match and is missing passes.
func claimsMatch(hm *model.HTTPMatch, claims map[string]any) bool {
	for _, h := range hm.Headers {
		if path := model.ClaimPath(h.Name); path != nil && !claimIs(claims, path, h.StringMatch) {
			return false
		}
	}
	for _, h := range hm.WithoutHeaders {
		if path := model.ClaimPath(h.Name); path != nil && claimIs(claims, path, h.StringMatch) {
			return false
		}
	}
	return true
}

// claimIs compares a claim, or one of a list. A number or a truth is present, and equal to no text.
func claimIs(claims map[string]any, path []string, want model.StringMatch) bool {
	var at any = claims
	for _, name := range path {
		m, ok := at.(map[string]any)
		if !ok {
			return false
		}
		if at, ok = m[name]; !ok {
			return false
		}
	}
	if want.Kind == model.Present {
		return true
	}
	text, err := match.NewText(want)
	if err != nil {
		panic(err) // Unmodelled has found it
	}
	switch v := at.(type) {
	case string:
		return text.Matches(v)
	case []any:
		for _, one := range v {
			if s, ok := one.(string); ok && text.Matches(s) {
				return true
			}
		}
	}
	return false
}

// withoutClaims are the conditions on real headers.
func withoutClaims(hm *model.HTTPMatch) *model.HTTPMatch {
	out := *hm
	out.Headers, out.WithoutHeaders = nil, nil
	for _, h := range hm.Headers {
		if model.ClaimPath(h.Name) == nil {
			out.Headers = append(out.Headers, h)
		}
	}
	for _, h := range hm.WithoutHeaders {
		if model.ClaimPath(h.Name) == nil {
			out.WithoutHeaders = append(out.WithoutHeaders, h)
		}
	}
	return &out
}
