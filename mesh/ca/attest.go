package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Authenticator says who shows a bearer token. It must return when the context ends. An error is told to the caller and must hold no
// secret.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (Workload, error)
}

// The claims of tokens, as those of Kubernetes' service accounts.
const (
	tokenAudience = "istio-ca"
	subjectPrefix = "system:serviceaccount:"
	tokenTTL      = time.Minute
	maxToken      = 8 << 10
)

// podClaim names the instance.
type podClaim struct {
	Pod struct {
		Name string `json:"name"`
	} `json:"pod"`
}

// Attestor is who starts workloads and therefore knows who they are: it gives each a token to show, as Kubernetes gives pods those of their
// service accounts. Its key lives in memory alone.
type Attestor struct {
	key    *ecdsa.PrivateKey
	signer jose.Signer
	now    func() time.Time
}

// NewAttestor makes one with a key of its own. A nil clock is time.Now.
func NewAttestor(now func() time.Time) (*Attestor, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("attestation key: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("attestation key: %w", err)
	}
	if now == nil {
		now = time.Now
	}
	return &Attestor{key: key, signer: signer, now: now}, nil
}

// Token says who a workload is, for a minute.
func (a *Attestor) Token(w Workload) (string, error) {
	var pod podClaim
	pod.Pod.Name = w.Name
	now := a.now()
	return jwt.Signed(a.signer).Claims(jwt.Claims{
		Subject: subjectPrefix + w.Namespace + ":" + w.ServiceAccount, Audience: jwt.Audience{tokenAudience},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(tokenTTL)),
	}).Claims(map[string]any{"kubernetes.io": pod}).Serialize()
}

// PublicKey is what Verifier needs to know, in PEM. It is no secret.
func (a *Attestor) PublicKey() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(a.key.Public())
	if err != nil {
		return nil, fmt.Errorf("attestation key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// Verifier believes the tokens of one Attestor.
type Verifier struct {
	key any
	now func() time.Time
}

// NewVerifier takes an Attestor's public key. A nil clock is time.Now.
func NewVerifier(publicKey []byte, now func() time.Time) (*Verifier, error) {
	block, _ := pem.Decode(publicKey)
	if block == nil {
		return nil, errors.New("attestation key: there is no public key in PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("attestation key: %w", err)
	}
	if now == nil {
		now = time.Now
	}
	return &Verifier{key, now}, nil
}

// Authenticate implements Authenticator. One algorithm is accepted, so that a token cannot choose a weaker one, or none.
func (v *Verifier) Authenticate(_ context.Context, token string) (Workload, error) {
	if len(token) > maxToken {
		return Workload{}, fmt.Errorf("the token has %d bytes; %d are allowed", len(token), maxToken)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return Workload{}, errors.New("the token is none that is understood (a JWT, ES256)")
	}
	var claims jwt.Claims
	var more struct {
		Kubernetes podClaim `json:"kubernetes.io"`
	}
	if err := parsed.Claims(v.key, &claims, &more); err != nil {
		return Workload{}, errors.New("the token is not signed by who starts the workloads")
	}
	if claims.Expiry == nil {
		return Workload{}, errors.New("the token never ends")
	}
	if err := claims.ValidateWithLeeway(jwt.Expected{AnyAudience: jwt.Audience{tokenAudience}, Time: v.now()}, tokenTTL); err != nil {
		return Workload{}, fmt.Errorf("the token does not hold: %w", err)
	}
	parts := strings.Split(strings.TrimPrefix(claims.Subject, subjectPrefix), ":")
	if !strings.HasPrefix(claims.Subject, subjectPrefix) || len(parts) != 2 {
		return Workload{}, errors.New("the token names no service account")
	}
	return Workload{Namespace: parts[0], ServiceAccount: parts[1], Name: more.Kubernetes.Pod.Name}, nil
}
