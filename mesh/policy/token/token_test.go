package token_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/policy/token"
)

func open(t *testing.T, file string) *token.Issuer {
	t.Helper()
	i, err := token.Open(file)
	require.NoError(t, err)
	return i
}

func TestATokenHoldsAgainstThePublicKeyOfItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	now := time.Now()
	text, err := open(t, file).Mint(map[string]any{"sub": "alice", "groups": []string{"a"}}, now, now.Add(time.Hour))
	require.NoError(t, err)
	keys, err := open(t, file).JWKS() // the same key, read back
	require.NoError(t, err)
	var set jose.JSONWebKeySet
	require.NoError(t, json.Unmarshal([]byte(keys), &set))
	require.True(t, set.Keys[0].IsPublic(), "the private half must not be shown")
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	var claims jwt.Claims
	require.NoError(t, parsed.Claims(set.Keys[0], &claims))
	require.Equal(t, "alice", claims.Subject)
	require.WithinDuration(t, now.Add(time.Hour), claims.Expiry.Time(), time.Second)
	other, err := open(t, filepath.Join(t.TempDir(), "key.pem")).JWKS()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(other), &set))
	require.Error(t, parsed.Claims(set.Keys[0], &claims), "another key must not do")
}

func TestKeysThatAreNotUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	open(t, file)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.Chmod(file, 0o640)) //nolint:gosec // that others may read it is the point
	_, err = token.Open(file)
	require.ErrorContains(t, err, "can be read by others")
	garbage := filepath.Join(t.TempDir(), "garbage")
	require.NoError(t, os.WriteFile(garbage, []byte("secret-words"), 0o600))
	_, err = token.Open(garbage)
	require.ErrorContains(t, err, "no private key")
	require.NotContains(t, err.Error(), "secret-words")
	_, err = token.Open(filepath.Join(t.TempDir(), "nowhere", "key.pem"))
	require.Error(t, err)
}
