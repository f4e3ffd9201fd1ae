// Package token makes tokens of end users for tests: a key, its public half as a set of keys (JWKS), and tokens signed with it (JWT, ES256).
package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Issuer signs tokens.
type Issuer struct {
	key *ecdsa.PrivateKey
	id  string
}

// Open reads a private key (ECDSA P-256, PEM), or makes one in a file that only its user may read. A key that others may read is refused.
func Open(file string) (*Issuer, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the user names the file
	if errors.Is(err, fs.ErrNotExist) {
		return create(file)
	}
	if err != nil {
		return nil, fmt.Errorf("key of tokens: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("key of tokens: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (%s): chmod 600 %s", file, info.Mode().Perm(), file)
	}
	if block, _ := pem.Decode(data); block != nil {
		if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := k.(*ecdsa.PrivateKey); ok && key.Curve == elliptic.P256() {
				return newIssuer(key)
			}
		}
	}
	return nil, fmt.Errorf("%s holds no private key that is understood (ECDSA P-256, PKCS #8, PEM)", file)
}

func create(file string) (*Issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key of tokens: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("key of tokens: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("key of tokens: %w", err)
	}
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("key of tokens: %w", err), os.Remove(file)) // half a key is none
	}
	return newIssuer(key)
}

func newIssuer(key *ecdsa.PrivateKey) (*Issuer, error) {
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("key of tokens: %w", err)
	}
	return &Issuer{key, base64.RawURLEncoding.EncodeToString(sum)[:16]}, nil
}

// JWKS is the public key, as RequestAuthentication takes it.
func (i *Issuer) JWKS() (string, error) {
	out, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
		Key: i.key.Public(), KeyID: i.id, Algorithm: string(jose.ES256), Use: "sig",
	}}})
	return string(out), err
}

// Mint signs claims, with those of its time: it is good from now until then.
func (i *Issuer) Mint(claims map[string]any, now, until time.Time) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: i.id}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return jwt.Signed(signer).Claims(claims).Claims(jwt.Claims{IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(until)}).Serialize()
}
