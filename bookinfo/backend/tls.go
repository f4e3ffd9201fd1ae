package backend

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// SeenTLS is a TLS connection as it reached the backend.
type SeenTLS struct {
	// Name that was asked for (SNI).
	Name string `json:"name"`
	// Client is the common name in the caller's certificate; empty without one.
	Client string `json:"client"`
}

func seenTLS(state *tls.ConnectionState) *SeenTLS {
	if state == nil {
		return nil
	}
	out := &SeenTLS{Name: state.ServerName}
	if len(state.PeerCertificates) > 0 {
		out.Client = state.PeerCertificates[0].Subject.CommonName
	}
	return out
}

// tls is how the port https is served; nil if it is not.
func (o Options) tls() (*tls.Config, error) {
	if o.Certificate == "" {
		if o.ClientCA != "" {
			return nil, errors.New("authorities of clients without a certificate of the server")
		}
		return nil, nil //nolint:nilnil // no port is no error
	}
	pair, err := tls.X509KeyPair([]byte(o.Certificate), []byte(o.Certificate))
	if err != nil {
		return nil, fmt.Errorf("certificate of the port https: %w", err)
	}
	out := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if o.ClientCA == "" {
		return out, nil
	}
	out.ClientAuth, out.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !out.ClientCAs.AppendCertsFromPEM([]byte(o.ClientCA)) {
		return nil, errors.New("authorities of clients: this is no certificate in PEM")
	}
	return out, nil
}
