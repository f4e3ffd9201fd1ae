package ca_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	security "istio.io/api/security/v1alpha1"

	"github.com/squallmesh/squall/mesh/ca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service runs a certificate service and gives a client of it, and its log.
func service(t *testing.T, attestor *ca.Attestor) (security.IstioCertificateServiceClient, *bytes.Buffer) {
	t.Helper()
	key, err := attestor.PublicKey()
	require.NoError(t, err)
	callers, err := ca.NewVerifier(key, nil)
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "ca") //nolint:usetesting // a socket's path is short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	var log bytes.Buffer
	server := ca.NewServer(open(t, ca.Options{}), callers, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	conn, err := grpc.NewClient("unix:"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		cancel()
		require.NoError(t, <-done)
	})
	return security.NewIstioCertificateServiceClient(conn), &log
}

func attestor(t *testing.T, now func() time.Time) *ca.Attestor {
	t.Helper()
	a, err := ca.NewAttestor(now)
	require.NoError(t, err)
	return a
}

func bearer(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

func TestTheServiceSignsForWhoCalls(t *testing.T) {
	a := attestor(t, nil)
	client, log := service(t, a)
	token, err := a.Token(ratings)
	require.NoError(t, err)
	resp, err := client.CreateCertificate(bearer(t.Context(), token), &security.IstioCertificateRequest{
		Csr: request(t, p256(t), x509.CertificateRequest{}, idOf(t, ratings).String()), ValidityDuration: 3600,
	})
	require.NoError(t, err)
	require.Len(t, resp.GetCertChain(), 3, "the certificate, the intermediate, the root")
	chain, err := ca.ParseCertificates([]byte(strings.Join(resp.GetCertChain(), "")))
	require.NoError(t, err)
	require.Equal(t, idOf(t, ratings).String(), chain[0].URIs[0].String())
	require.WithinDuration(t, time.Now().Add(time.Hour), chain[0].NotAfter, time.Minute)
	require.Contains(t, log.String(), "certificate issued")
	require.NotContains(t, log.String(), token)
	require.NotContains(t, log.String(), "BEGIN")
}

func TestTheServiceRefuses(t *testing.T) {
	a := attestor(t, nil)
	client, log := service(t, a)
	token, err := a.Token(ratings)
	require.NoError(t, err)
	stranger, err := attestor(t, nil).Token(ratings)
	require.NoError(t, err)
	old, err := attestorOf(t, a, time.Now().Add(-time.Hour)).Token(ratings)
	require.NoError(t, err)
	early, err := attestorOf(t, a, time.Now().Add(time.Hour)).Token(ratings)
	require.NoError(t, err)
	parts := strings.Split(token, ".")
	unsigned := "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + "."
	key, err := a.PublicKey()
	require.NoError(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, nil)
	require.NoError(t, err)
	confused, err := jwt.Signed(signer).Claims(map[string]any{
		"sub": "system:serviceaccount:default:ratings", "aud": "istio-ca", "exp": time.Now().Add(time.Minute).Unix(),
	}).Serialize()
	require.NoError(t, err)
	good := request(t, p256(t), x509.CertificateRequest{}, idOf(t, ratings).String())
	forged := request(t, p256(t), x509.CertificateRequest{}, "spiffe://cluster.local/ns/default/sa/productpage")

	for name, c := range map[string]struct {
		ctx  context.Context
		csr  string
		ttl  int64
		want codes.Code
	}{
		"no token":                        {t.Context(), good, 0, codes.Unauthenticated},
		"garbage":                         {bearer(t.Context(), "garbage"), good, 0, codes.Unauthenticated},
		"another's signature":             {bearer(t.Context(), stranger), good, 0, codes.Unauthenticated},
		"alg none":                        {bearer(t.Context(), unsigned), good, 0, codes.Unauthenticated},
		"the public key as a shared one":  {bearer(t.Context(), confused), good, 0, codes.Unauthenticated},
		"an old token":                    {bearer(t.Context(), old), good, 0, codes.Unauthenticated},
		"a token of an hour to come":      {bearer(t.Context(), early), good, 0, codes.Unauthenticated},
		"an oversized token":              {bearer(t.Context(), strings.Repeat("a", 9<<10)), good, 0, codes.Unauthenticated},
		"somebody else's identity":        {bearer(t.Context(), token), forged, 0, codes.PermissionDenied},
		"an oversized request":            {bearer(t.Context(), token), good + strings.Repeat("#", 10<<10), 0, codes.InvalidArgument},
		"a message beyond all bounds":     {bearer(t.Context(), token), strings.Repeat("#", 100<<10), 0, codes.ResourceExhausted},
		"a certificate for a human's age": {bearer(t.Context(), token), good, 1 << 40, codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := client.CreateCertificate(c.ctx, &security.IstioCertificateRequest{Csr: c.csr, ValidityDuration: c.ttl})
			require.Equal(t, c.want, status.Code(err), "%v", err)
			require.Empty(t, resp.GetCertChain())
		})
	}
	require.NotContains(t, log.String(), token)
}

// attestorOf gives an attestor with the same key and another clock.
func attestorOf(t *testing.T, a *ca.Attestor, now time.Time) *ca.Attestor {
	t.Helper()
	return a.WithClock(func() time.Time { return now })
}
