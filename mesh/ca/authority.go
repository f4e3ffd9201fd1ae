package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Defaults and bounds of lifetimes.
const (
	// DefaultTTL of a workload's certificate (Istio's).
	DefaultTTL = 24 * time.Hour
	// MaxTTL that a workload may ask for.
	MaxTTL = 90 * 24 * time.Hour
	// authorityTTL is how long roots and intermediates live.
	authorityTTL = 10 * 365 * 24 * time.Hour
	// skew is how far a certificate's validity begins before its issue, for clocks that differ (Istio's).
	skew = 2 * time.Minute
)

// Options of an Authority. Only Dir is required.
type Options struct {
	// Dir holds root-cert.pem, ca-cert.pem, ca-key.pem and cert-chain.pem, the files that Istio's users plug in as cacerts. If ca-cert.pem
	// is not there a root and an intermediate are made. Keys are written for this user alone (0600).
	Dir string
	// TrustDomain of the identities; empty takes cluster.local.
	TrustDomain string
	// RSA makes keys of 2048 bits in place of ECDSA P-256, where keys are made.
	RSA bool
	// TTL of certificates for which no time is asked; 0 takes DefaultTTL.
	TTL time.Duration
	// Now is the clock; nil takes time.Now.
	Now func() time.Time
	// Random is the source of keys and serial numbers; nil takes crypto/rand.
	Random io.Reader
}

// Authority signs. It may be used by several goroutines at once.
type Authority struct {
	opts Options

	mu sync.Mutex
	// roots are trusted, the one in use first.
	roots []*x509.Certificate
	// issuer signs; chain leads from it to the root, both left out.
	issuer *x509.Certificate
	key    crypto.Signer
	chain  []*x509.Certificate
	// issued are certificates that have not ended, sweepAt is how many of them make it look for those that have. refused are identities that get none.
	issued  []*issued
	sweepAt int
	refused map[string]bool
}

// Open reads the authority in a folder, or makes one there. A folder with only a part of the files, with a key that others may read, or
// whose files do not belong together is an error: nothing is overwritten.
func Open(o Options) (*Authority, error) {
	if o.TrustDomain == "" {
		o.TrustDomain = "cluster.local"
	}
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.TTL < time.Second || o.TTL > MaxTTL {
		return nil, fmt.Errorf("certificates cannot live for %s: say between 1s and %s", o.TTL, MaxTTL)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if _, err := spiffeid.TrustDomainFromString(o.TrustDomain); err != nil {
		return nil, fmt.Errorf("trust domain %q: %w", o.TrustDomain, err)
	}
	a := &Authority{opts: o}
	there, err := a.read()
	if err != nil {
		return a, err
	}
	if there {
		return a, a.recall()
	}
	a.sweepAt = firstSweep
	if err := a.create(); err != nil {
		return nil, err
	}
	return a, a.write()
}

// create makes a root and an intermediate. The root's key ends with this function.
func (a *Authority) create() error {
	rootKey, err := a.newKey()
	if err != nil {
		return err
	}
	key, err := a.newKey()
	if err != nil {
		return err
	}
	now := a.opts.Now()
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{a.opts.TrustDomain}, CommonName: "squall root"},
		NotBefore: now.Add(-skew), NotAfter: now.Add(authorityTTL),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1,
	}
	root, err := a.sign(template, template, rootKey.Public(), rootKey)
	if err != nil {
		return err
	}
	issuer, err := a.sign(&x509.Certificate{
		Subject:   pkix.Name{Organization: []string{a.opts.TrustDomain}, CommonName: "squall intermediate"},
		NotBefore: template.NotBefore, NotAfter: template.NotAfter,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}, root, key.Public(), rootKey)
	if err != nil {
		return err
	}
	a.roots, a.issuer, a.key, a.chain = []*x509.Certificate{root}, issuer, key, nil
	return nil
}

func (a *Authority) newKey() (crypto.Signer, error) {
	if a.opts.RSA {
		return rsa.GenerateKey(a.opts.Random, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), a.opts.Random)
}

func (a *Authority) sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	limit := new(big.Int).Lsh(big.NewInt(1), 127)
	serial, err := rand.Int(a.opts.Random, limit)
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	der, err := x509.CreateCertificate(a.opts.Random, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return x509.ParseCertificate(der)
}

// errExpired says that the authority itself cannot sign any more.
var errExpired = errors.New("the authority's own certificate is not valid now: give it a new one, or look at the clock")

// Issue signs the key of a request that Check passed for this identity. The chain is the certificate, then every intermediate, then the root,
// as Istio's service answers. A ttl of 0 takes the default; one above MaxTTL is cut, and none outlives the authority.
func (a *Authority) Issue(id spiffeid.ID, req *x509.CertificateRequest, ttl time.Duration) ([]*x509.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused[id.String()] {
		return nil, fmt.Errorf("%s: %w", id, ErrRevoked)
	}
	now := a.opts.Now()
	if now.Before(a.issuer.NotBefore) || !now.Before(a.issuer.NotAfter) {
		return nil, errExpired
	}
	if ttl <= 0 {
		ttl = a.opts.TTL
	}
	template := &x509.Certificate{
		NotBefore: now.Add(-skew), NotAfter: now.Add(min(ttl, MaxTTL)),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{id.URL()}, BasicConstraintsValid: true,
	}
	if template.NotAfter.After(a.issuer.NotAfter) {
		template.NotAfter = a.issuer.NotAfter
	}
	leaf, err := a.sign(template, a.issuer, req.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	if err := a.remember(leaf); err != nil {
		return nil, err
	}
	return append(append([]*x509.Certificate{leaf, a.issuer}, a.chain...), a.roots[0]), nil
}

// TrustDomain of the identities that it gives.
func (a *Authority) TrustDomain() string { return a.opts.TrustDomain }

// Roots gives the certificates that are trusted, in PEM.
func (a *Authority) Roots() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return string(encode(a.roots...))
}
