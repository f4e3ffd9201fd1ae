package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
)

func TestClaimPath(t *testing.T) {
	for name, want := range map[string][]string{
		"@request.auth.claims.groups":  {"groups"},
		"@request.auth.claims.a.b":     {"a", "b"},
		"@request.auth.claims[a.b][c]": {"a.b", "c"},
		"@request.auth.claims":         nil,
		"@request.auth.claims.":        nil,
		"@request.auth.claims[]":       nil,
		"@request.auth.claims[a]b]":    nil,
		"@request.auth.claimsgroups":   nil,
		"x-request.auth.claims.groups": nil,
	} {
		require.Equal(t, want, model.ClaimPath(name), name)
	}
}
