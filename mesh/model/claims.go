package model

import "strings"

// claimHeader begins what rules write in place of a header's name to match a claim of the request's token (Istio's).
const claimHeader = "@request.auth.claims"

// ClaimPath takes apart the name of a claim: @request.auth.claims.a.b, or @request.auth.claims[a.b][c] for names with dots. Nil for any other name.
func ClaimPath(name string) []string {
	rest, found := strings.CutPrefix(name, claimHeader)
	var path []string
	switch {
	case !found:
		return nil
	case strings.HasPrefix(rest, "."):
		path = strings.Split(rest[1:], ".")
	case strings.HasPrefix(rest, "[") && strings.HasSuffix(rest, "]"):
		path = strings.Split(rest[1:len(rest)-1], "][")
	}
	for _, p := range path {
		if p == "" || strings.ContainsAny(p, "[]") {
			return nil
		}
	}
	return path
}
