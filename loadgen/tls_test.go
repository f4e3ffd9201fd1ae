package loadgen_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/loadgen/pace"
)

func overTLS(t *testing.T, url string, config *tls.Config, extract loadgen.Extract) []loadgen.Result {
	t.Helper()
	var got []loadgen.Result
	_, err := loadgen.Run(t.Context(), time.Now(), []loadgen.Load{{
		Name: "tls", Pacer: pace.NewConstant(pace.PerSecond(100)), Duration: 30 * time.Millisecond, TLS: config, Extract: extract,
		Requests: loadgen.Get(url + "/"),
	}}, func(r loadgen.Result) { got = append(got, r) })
	require.NoError(t, err)
	require.Len(t, got, 3)
	return got
}

func TestALoadKeepsTheServersCertificate(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer s.Close()
	trust := x509.NewCertPool()
	trust.AddCert(s.Certificate())
	config := &tls.Config{RootCAs: trust, ServerName: "example.com", MinVersion: tls.VersionTLS12}
	for _, r := range overTLS(t, s.URL, config, loadgen.Extract{Certificate: loadgen.CertificateSerial}) {
		require.Equal(t, 200, r.Status)
		require.Equal(t, s.Certificate().SerialNumber.Text(16), r.Value)
	}
}

// Both sides can refuse the other: the server its client with TLS 1.3 after the client's own handshake is over.
func TestWhoIsRefusedByTLSIsTold(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	s.StartTLS()
	defer s.Close()
	trust := x509.NewCertPool()
	trust.AddCert(s.Certificate())
	for what, config := range map[string]*tls.Config{
		"by the client": {ServerName: "example.com", MinVersion: tls.VersionTLS12},
		"by the server": {RootCAs: trust, ServerName: "example.com", MinVersion: tls.VersionTLS12},
	} {
		for _, r := range overTLS(t, s.URL, config, loadgen.Extract{}) {
			require.Zero(t, r.Status, what)
			// A server that closes at once may break the pipe before its alert is read.
			require.True(t, strings.HasPrefix(r.Err, loadgen.ErrTLS) || what == "by the server" && r.Err == loadgen.ErrReset, "%s: %s", what, r.Err)
		}
	}
}

func TestHTTPSNeedsTLS(t *testing.T) {
	_, err := loadgen.Run(t.Context(), time.Now(), []loadgen.Load{{
		Name: "tls", Pacer: pace.NewConstant(pace.PerSecond(100)), Duration: time.Millisecond, Requests: loadgen.Get("https://127.0.0.1/"),
	}}, func(loadgen.Result) {})
	require.ErrorContains(t, err, "https and TLS go together")
}
