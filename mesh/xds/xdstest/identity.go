package xdstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/squallmesh/squall/mesh/ca"
	"github.com/squallmesh/squall/mesh/model"
)

// Identity is one workload's, with the roots that lead to it.
type Identity struct {
	Trust       *model.Trust
	Certificate *tlsv3.TlsCertificate
}

// NewIdentity makes an authority in a folder, and an identity of it.
func NewIdentity(dir string) (*Identity, error) {
	authority, err := ca.Open(ca.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	id, err := ca.Workload{Namespace: "default", ServiceAccount: "default"}.ID(authority.TrustDomain())
	if err != nil {
		return nil, err
	}
	chain, err := authority.Issue(id, &x509.CertificateRequest{PublicKey: key.Public()}, 0)
	if err != nil {
		return nil, err
	}
	var certificates []byte
	for _, c := range chain {
		certificates = append(certificates, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	inline := func(b []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
	}
	return &Identity{
		Trust: &model.Trust{Roots: authority.Roots()},
		Certificate: &tlsv3.TlsCertificate{
			CertificateChain: inline(certificates),
			PrivateKey:       inline(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		},
	}, nil
}
