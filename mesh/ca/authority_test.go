package ca_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/ca"
)

var ratings = ca.Workload{Namespace: "default", ServiceAccount: "ratings", Name: "ratings-v1-0"}

func idOf(t *testing.T, w ca.Workload) spiffeid.ID {
	t.Helper()
	id, err := w.ID("cluster.local")
	require.NoError(t, err)
	return id
}

// request makes a CSR with these names.
func request(t *testing.T, key any, template x509.CertificateRequest, uris ...string) string {
	t.Helper()
	for _, u := range uris {
		parsed, err := url.Parse(u)
		require.NoError(t, err)
		template.URIs = append(template.URIs, parsed)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func p256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func open(t *testing.T, o ca.Options) *ca.Authority {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "ca")
	}
	a, err := ca.Open(o)
	require.NoError(t, err)
	return a
}

func issue(t *testing.T, a *ca.Authority, ttl time.Duration) []*x509.Certificate {
	t.Helper()
	id := idOf(t, ratings)
	req, err := ca.Check(request(t, p256(t), x509.CertificateRequest{}, id.String()), id)
	require.NoError(t, err)
	chain, err := a.Issue(id, req, ttl)
	require.NoError(t, err)
	return chain
}

// verify holds a certificate against the roots that proxies get, as a peer does.
func verify(roots string, chain []*x509.Certificate, at time.Time) error {
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: at}
	o.Roots.AppendCertsFromPEM([]byte(roots))
	for _, c := range chain[1 : len(chain)-1] {
		o.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(o)
	return err
}

func TestACertificateIsAnIdentityAndLeadsToTheRoot(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, rsaKeys := range []bool{false, true} {
		a := open(t, ca.Options{RSA: rsaKeys, Now: func() time.Time { return now }})
		chain := issue(t, a, time.Hour)
		require.NoError(t, verify(a.Roots(), chain, now))
		require.Equal(t, "spiffe://cluster.local/ns/default/sa/ratings", chain[0].URIs[0].String())
		require.Empty(t, chain[0].DNSNames)
		require.False(t, chain[0].IsCA)
		require.Equal(t, now.Add(time.Hour), chain[0].NotAfter)
		require.NoError(t, verify(a.Roots(), chain, now.Add(-time.Minute)), "a peer's clock may be late")
		require.ErrorContains(t, verify(a.Roots(), chain, now.Add(time.Hour+time.Second)), "expired")
		require.Error(t, verify(open(t, ca.Options{}).Roots(), chain, now), "another authority's root must not do")
	}
}

func TestAnAuthorityIsTheSameAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	chain := issue(t, open(t, ca.Options{Dir: dir}), 0)
	again := open(t, ca.Options{Dir: dir})
	require.NoError(t, verify(again.Roots(), chain, time.Now()))
	require.NoError(t, verify(again.Roots(), issue(t, again, 0), time.Now()))
}

func TestKeysAreForTheirUserAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	open(t, ca.Options{Dir: dir})
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	keys := 0
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		if strings.Contains(string(data), "PRIVATE KEY") {
			keys++
		}
	}
	require.Equal(t, 1, keys, "the intermediate's key is kept, the root's is not")

	require.NoError(t, os.Chmod(filepath.Join(dir, "ca-key.pem"), 0o644)) //nolint:gosec // that others may read it is the point
	_, err = ca.Open(ca.Options{Dir: dir})
	require.ErrorContains(t, err, "can be read by others")
}

// What does not belong together signs nothing, and is not replaced by something new either.
func TestDamagedAuthoritiesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(dir, other string) error
		want   string
	}{
		"another key":    {func(dir, other string) error { return os.Rename(other+"/ca-key.pem", dir+"/ca-key.pem") }, "does not belong to"},
		"another root":   {func(dir, other string) error { return os.Rename(other+"/root-cert.pem", dir+"/root-cert.pem") }, "does not lead to"},
		"no key":         {func(dir, _ string) error { return os.Remove(dir + "/ca-key.pem") }, "ca-key.pem"},
		"no certificate": {func(dir, _ string) error { return os.Remove(dir + "/ca-cert.pem") }, "belong together"},
		"garbage":        {func(dir, _ string) error { return os.WriteFile(dir+"/ca-key.pem", []byte("secret-words"), 0o600) }, "no private key"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, other := filepath.Join(t.TempDir(), "ca"), filepath.Join(t.TempDir(), "ca")
			open(t, ca.Options{Dir: dir})
			open(t, ca.Options{Dir: other})
			require.NoError(t, c.damage(dir, other))
			_, err := ca.Open(ca.Options{Dir: dir})
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "secret-words", "an error must not show what may be a key")
		})
	}
}

// A name that cannot be taken stands for a full disk: nothing may be left that looks like an authority, and the next start begins anew.
func TestAFolderThatTakesNoKeyLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	obstacle := filepath.Join(dir, "ca-key.pem")
	require.NoError(t, os.MkdirAll(filepath.Join(obstacle, "x"), 0o700))
	_, err := ca.Open(ca.Options{Dir: dir})
	require.Error(t, err)
	require.NoError(t, os.RemoveAll(obstacle))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		require.NotContains(t, f.Name(), "new", "a file that was written in part")
		require.NotEqual(t, "ca-cert.pem", f.Name(), "the folder must not look whole")
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		require.NotContains(t, string(data), "PRIVATE KEY")
	}
	again := open(t, ca.Options{Dir: dir})
	require.NoError(t, verify(again.Roots(), issue(t, again, 0), time.Now()))
}

func TestAnAuthorityWhoseTimeIsOverSignsNothing(t *testing.T) {
	now := time.Now()
	a := open(t, ca.Options{Now: func() time.Time { return now }})
	id := idOf(t, ratings)
	req, err := ca.Check(request(t, p256(t), x509.CertificateRequest{}), id)
	require.NoError(t, err)
	for _, jump := range []time.Duration{-time.Hour, 20 * 365 * 24 * time.Hour} {
		saved := now
		now = now.Add(jump)
		_, err = a.Issue(id, req, time.Hour)
		require.ErrorContains(t, err, "look at the clock")
		now = saved
	}
	_, err = a.Issue(id, req, time.Hour)
	require.NoError(t, err, "with the clock set right it signs again")
}

func TestRequestsThatAreRefused(t *testing.T) {
	own := idOf(t, ratings)
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // that it is weak is the point
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	key := p256(t)
	good := request(t, key, x509.CertificateRequest{}, own.String())
	tampered := []byte(good)
	tampered[len(tampered)-60] ^= 1
	for name, c := range map[string]struct{ csr, want string }{
		"another's identity":     {request(t, key, x509.CertificateRequest{}, "spiffe://cluster.local/ns/default/sa/reviews"), "its own identity alone"},
		"its own and another's":  {request(t, key, x509.CertificateRequest{}, own.String(), "spiffe://cluster.local/ns/default/sa/reviews"), "its own identity alone"},
		"another trust domain":   {request(t, key, x509.CertificateRequest{}, "spiffe://evil.example/ns/default/sa/ratings"), "its own identity alone"},
		"another letter case":    {request(t, key, x509.CertificateRequest{}, "spiffe://cluster.local/ns/default/sa/Ratings"), "its own identity alone"},
		"a host name":            {request(t, key, x509.CertificateRequest{DNSNames: []string{"reviews.default.svc"}}, own.String()), "its own identity alone"},
		"too large":              {good + strings.Repeat("#", 9<<10), "bytes"},
		"a short RSA key":        {request(t, weak, x509.CertificateRequest{}, own.String()), "the key is not one of"},
		"a curve that is weak":   {request(t, curve, x509.CertificateRequest{}, own.String()), "the key is not one of"},
		"no request":             {"hello", "no certificate request"},
		"two requests":           {good + good, "something follows"},
		"a signature that's not": {string(tampered), "certificate request"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ca.Check(c.csr, own)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err = ca.Check(good, own)
	require.NoError(t, err)
}

// Two workloads of one name in different namespaces, or with names that look like paths, must not become one identity.
func TestIdentitiesDoNotRunTogether(t *testing.T) {
	for _, w := range []ca.Workload{{Namespace: "a/sa/b", ServiceAccount: "c"}, {Namespace: "a", ServiceAccount: ""}, {Namespace: "..", ServiceAccount: "x"}} {
		_, err := w.ID("cluster.local")
		require.Error(t, err, "%+v", w)
	}
}
