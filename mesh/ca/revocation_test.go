package ca_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/ca"
)

// listed says whether a certificate is on a list, which must be the issuer's.
func listed(t *testing.T, crl string, chain []*x509.Certificate) bool {
	t.Helper()
	block, _ := pem.Decode([]byte(crl))
	require.NotNil(t, block)
	list, err := x509.ParseRevocationList(block.Bytes)
	require.NoError(t, err)
	require.NoError(t, list.CheckSignatureFrom(chain[1]), "Envoy believes only the issuer's list")
	for _, e := range list.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(chain[0].SerialNumber) == 0 {
			return true
		}
	}
	return false
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	now := time.Now()
	dir := t.TempDir()
	clock := func() time.Time { return now }
	a := open(t, ca.Options{Dir: dir, Now: clock})
	first, second := issue(t, a, time.Hour), issue(t, a, 10*time.Hour)
	crl, err := a.Revoke(nil)
	require.NoError(t, err)
	assert.Empty(t, crl, "nothing is revoked")

	id := idOf(t, ratings)
	crl, err = a.Revoke([]string{id.String()})
	require.NoError(t, err)
	assert.True(t, listed(t, crl, first), "each certificate of the identity")
	assert.True(t, listed(t, crl, second))
	req, err := ca.Check(request(t, p256(t), x509.CertificateRequest{}), id)
	require.NoError(t, err)
	_, err = a.Issue(id, req, 0)
	require.ErrorIs(t, err, ca.ErrRevoked)

	again := open(t, ca.Options{Dir: dir, Now: clock})
	crl, err = again.Revoke([]string{id.String()})
	require.NoError(t, err)
	assert.True(t, listed(t, crl, first), "an authority that starts anew knows what it issued")

	crl, err = again.Revoke(nil)
	require.NoError(t, err)
	assert.True(t, listed(t, crl, first), "what is revoked stays so")
	fresh := issue(t, again, 0)
	crl, err = again.Revoke(nil)
	require.NoError(t, err)
	assert.False(t, listed(t, crl, fresh), "who is believed again gets certificates that hold")

	now = now.Add(2 * time.Hour)
	crl, err = again.Revoke(nil)
	require.NoError(t, err)
	assert.False(t, listed(t, crl, first), "what has ended needs no list")
	assert.True(t, listed(t, crl, second))
}

// What was issued is known however the last writing ended; what nobody could read is no reason to go on without.
func TestNotesOfWhatWasIssued(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chain := issue(t, open(t, ca.Options{Dir: dir}), time.Hour)
	name := filepath.Join(dir, "issued")
	info, err := os.Stat(name)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	data, err := os.ReadFile(name)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(name, append(data, "12ab 17"...), 0o600)) //nolint:gosec // in the test's own folder
	cut := open(t, ca.Options{Dir: dir})
	crl, err := cut.Revoke([]string{idOf(t, ratings).String()})
	require.NoError(t, err, "half a line is a certificate that was never given out")
	assert.True(t, listed(t, crl, chain))

	require.NoError(t, os.WriteFile(name, append([]byte("nonsense\n"), data...), 0o600)) //nolint:gosec // in the test's own folder
	_, err = ca.Open(ca.Options{Dir: dir})
	require.ErrorContains(t, err, "issued:1")
}

func TestNoNoteNoCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, ca.Options{Dir: dir})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "issued"), 0o700)) // as a full disk: it cannot be written
	id := idOf(t, ratings)
	req, err := ca.Check(request(t, p256(t), x509.CertificateRequest{}), id)
	require.NoError(t, err)
	_, err = a.Issue(id, req, 0)
	require.ErrorContains(t, err, "could not be revoked")
}
