package ca_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/ca"
)

func TestAServerIsKnownByItsNameAlone(t *testing.T) {
	a, err := ca.Open(ca.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	chain, key, err := a.IssueServing(time.Hour, "webhook.istio-system.svc", "198.18.1.2")
	require.NoError(t, err)
	pair, err := tls.X509KeyPair(chain, key)
	require.NoError(t, err)
	list, err := ca.ParseCertificates(chain)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), list[0].NotAfter, time.Minute)
	require.Empty(t, list[0].URIs, "it is no workload")
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(a.Roots())))
	middle.AddCert(list[1])
	for name, known := range map[string]bool{"webhook.istio-system.svc": true, "198.18.1.2": true, "other.istio-system.svc": false} {
		_, err := list[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, DNSName: name})
		require.Equal(t, known, err == nil, name)
	}
	_, err = list[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	require.Error(t, err, "it calls nobody")
	require.NotEmpty(t, pair.Certificate)
	_, _, err = a.IssueServing(time.Hour)
	require.ErrorContains(t, err, "needs a name")
}
