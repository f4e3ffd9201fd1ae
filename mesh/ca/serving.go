package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Serving gives a server of the mesh itself certificates for its names or addresses, the next one at half of each one's life.
func (a *Authority) Serving(names ...string) *tls.Config {
	var mu sync.Mutex
	var now *tls.Certificate
	var next time.Time
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		if now != nil && a.opts.Now().Before(next) {
			return now, nil
		}
		chain, key, err := a.IssueServing(0, names...)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(chain, key)
		if err != nil {
			return nil, err
		}
		now, next = &pair, a.opts.Now().Add(a.opts.TTL/2)
		return now, nil
	}}
}

// IssueServing gives a server of the mesh itself, which is no workload, a key and the certificate by which its callers know it: for DNS names
// or IP addresses. Both in PEM; the chain has no root. A ttl of 0 takes the default; none outlives the authority.
func (a *Authority) IssueServing(ttl time.Duration, names ...string) (chain, key []byte, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(names) == 0 {
		return nil, nil, errors.New("a server needs a name or an address")
	}
	if ttl <= 0 {
		ttl = a.opts.TTL
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), a.opts.Random)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	now := a.opts.Now()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, NotBefore: now.Add(-skew), NotAfter: now.Add(ttl),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if template.NotAfter.After(a.issuer.NotAfter) {
		template.NotAfter = a.issuer.NotAfter
	}
	for _, n := range names {
		if ip, err := netip.ParseAddr(n); err == nil {
			template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	leaf, err := a.sign(template, a.issuer, private.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	return encode(append([]*x509.Certificate{leaf, a.issuer}, a.chain...)...), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
