package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// maxCSR bounds a request, in bytes of PEM. One with a key of 4096 bits has 1,700.
const maxCSR = 8 << 10

// ErrForged says that a request asks for an identity that is not the caller's.
var ErrForged = errors.New("a workload may ask for its own identity alone")

// Check reads a certificate request and holds that it asks for nothing but the caller's identity, with a key that is strong enough, and that
// the caller has that key.
func Check(text string, id spiffeid.ID) (*x509.CertificateRequest, error) {
	if len(text) > maxCSR {
		return nil, fmt.Errorf("the certificate request has %d bytes; %d are allowed", len(text), maxCSR)
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
		return nil, errors.New("there is no certificate request in PEM")
	}
	if len(rest) > 0 {
		return nil, errors.New("something follows the certificate request")
	}
	req, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate request cannot be read: %w", err)
	}
	if err := req.CheckSignature(); err != nil {
		return nil, fmt.Errorf("the certificate request is not signed with its own key: %w", err)
	}
	if err := checkKey(req.PublicKey); err != nil {
		return nil, err
	}
	for _, u := range req.URIs {
		if u.String() != id.String() {
			return nil, fmt.Errorf("%w: %s asks for %.200q", ErrForged, id, u.String())
		}
	}
	if len(req.DNSNames)+len(req.IPAddresses)+len(req.EmailAddresses) > 0 {
		return nil, fmt.Errorf("%w: names, addresses and mail are not given", ErrForged)
	}
	return req, nil
}

func checkKey(key any) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n >= 2048 && n <= 4096 {
			return nil
		}
	}
	return errors.New("the key is not one of ECDSA P-256, ECDSA P-384 and RSA of 2048 to 4096 bits")
}
