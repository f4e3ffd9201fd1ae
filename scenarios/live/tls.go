package live

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/scenarios/spec"
)

// clientTLS is how a load calls a host by TLS, with the credentials of the scenario.
func (r *runner) clientTLS(t *spec.TLS, host string) (*tls.Config, error) {
	docs, problems := config.Parse(slices.Concat(r.opts.App.Manifests, r.file.Rules)...)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	secrets := config.Secrets(config.Set{}.With(docs...))
	trust, err := secretNamed(secrets, t.Trust)
	if err != nil {
		return nil, err
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	out := &tls.Config{ServerName: name, RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !out.RootCAs.AppendCertsFromPEM([]byte(trust.CA)) {
		return nil, fmt.Errorf("the Secret %s names no authorities (ca.crt)", t.Trust)
	}
	if t.MaxVersion == "1.2" {
		out.MaxVersion = tls.VersionTLS12
	}
	if t.Present == "" {
		return out, nil
	}
	own, err := secretNamed(secrets, t.Present)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(own.Certificate), own.Key)
	if err != nil {
		return nil, fmt.Errorf("the Secret %s: %w", t.Present, err)
	}
	// Shown also to a server that names other authorities.
	out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return out, nil
}

func secretNamed(all model.Map[*model.Secret], name string) (*model.Secret, error) {
	for _, s := range all.All() {
		if s.Name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("there is no Secret %q among the scenario's rules and the app's manifests", name)
}
