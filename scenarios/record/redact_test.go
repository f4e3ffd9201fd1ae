package record

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The words that are looked for first must let no secret pass.
func TestNoSecretPassesForWantOfAHint(t *testing.T) {
	pieces := []string{
		"Authorization", "proxy-authorization", ": ", "=", "Bearer ", "basic ", "abcdefghijklmnop", "set-cookie", "x-api-key", "ApiKey", "passwd", "PASSWORD",
		"id_token", "access-token", "jwt-payload", "?token", "&code", "?session", "&jwt", "eyJhbGciOi.abc.def", "a", " ", "/path", "\u017f", "ba\u017fic ", "pa\u017f\u017fword", "co\u212aie", "cooKie", "'", "\"",
	}
	rapid.Check(t, func(t *rapid.T) {
		s := ""
		for range rapid.IntRange(0, 8).Draw(t, "n") {
			s += rapid.SampledFrom(pieces).Draw(t, "piece")
		}
		require.Equal(t, redactedText(s), Redact(s), s)
	})
}
