package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	security "istio.io/api/security/v1alpha1"

	"github.com/squallmesh/squall/mesh/ca"
)

// Options of an Agent. Authority, ID and Token are required.
type Options struct {
	// Authority is a connection to the certificate service. It stays the caller's to close.
	Authority grpc.ClientConnInterface
	// ID is the identity to ask for.
	ID spiffeid.ID
	// Token gives what proves who the workload is; it is asked before each request.
	Token func() (string, error)
	// TTL to ask for, in whole seconds; 0 leaves it to the authority.
	TTL time.Duration
	// Now is the clock; nil takes time.Now.
	Now func() time.Time
	// Log takes what happens; nil discards.
	Log *slog.Logger
}

// The times of an agent.
const (
	// callTimeout bounds one request.
	callTimeout = 10 * time.Second
	// firstRetry doubles with each failure, up to lastRetry.
	firstRetry = 20 * time.Millisecond
	lastRetry  = 5 * time.Second
	// look is how often the clock is read: it may jump, which no timer sees.
	look = 5 * time.Second
	// renewAt is the share of a certificate's life after which the next is asked for (Istio's grace period).
	renewAt = 0.5
)

// Agent keeps one workload's certificate fresh.
type Agent struct {
	opts Options

	mu      sync.Mutex
	current *identity
	// changed is closed and replaced with every new certificate.
	changed chan struct{}
	last    error
}

// identity is a key and its certificate.
type identity struct {
	// key and chain in PEM. The chain has no root.
	key, chain []byte
	// since is when it was asked for: its validity begins earlier, for clocks that differ.
	since, notBefore, until time.Time
	version                 string
}

// String keeps the key out of logs and messages.
func (i *identity) String() string { return "identity until " + i.until.String() }

// New gives an agent that has nothing yet.
func New(o Options) *Agent {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Agent{opts: o, changed: make(chan struct{})}
}

// Try asks for a certificate once, and forgets it: nil, or why there is none.
func Try(ctx context.Context, o Options) error { return New(o).renew(ctx) }

// Run keeps the certificate fresh until the context ends. While the authority cannot be reached the last one is kept, and a renewal is
// tried again and again.
func (a *Agent) Run(ctx context.Context) error {
	retry := firstRetry
	for {
		wait := a.due()
		if wait <= 0 {
			err := a.renew(ctx)
			a.mu.Lock()
			a.last = err
			a.mu.Unlock()
			if err == nil {
				retry = firstRetry
				continue
			}
			if ctx.Err() != nil {
				return nil
			}
			a.opts.Log.Warn("no certificate", "id", a.opts.ID.String(), "error", err, "next", retry)
			wait = retry
			retry = min(2*retry, lastRetry)
		}
		timer := time.NewTimer(min(wait, look))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// due is how long the certificate can wait for its renewal. One that is not valid yet, because the clock jumped back, cannot wait.
func (a *Agent) due() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil {
		return 0
	}
	now := a.opts.Now()
	if now.Before(a.current.notBefore) {
		return 0
	}
	life := a.current.until.Sub(a.current.since)
	return a.current.until.Add(-time.Duration(float64(life) * renewAt)).Sub(now)
}

// renew makes a new key and has it signed.
func (a *Agent) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{a.opts.ID.URL()}}, key)
	if err != nil {
		return fmt.Errorf("make a certificate request: %w", err)
	}
	token, err := a.opts.Token()
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	asked := a.opts.Now()
	resp, err := security.NewIstioCertificateServiceClient(a.opts.Authority).CreateCertificate(
		metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token),
		&security.IstioCertificateRequest{
			Csr:              string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})),
			ValidityDuration: int64(a.opts.TTL / time.Second),
		}, grpc.WaitForReady(true))
	if err != nil {
		return fmt.Errorf("certificate service: %w", err)
	}
	next, err := a.check(resp.GetCertChain(), key, asked)
	if err != nil {
		return fmt.Errorf("certificate service: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.current = next
	close(a.changed)
	a.changed = make(chan struct{})
	return nil
}

// check takes a chain that is for this key and this identity and valid now, and leaves out the root, which its peers have.
func (a *Agent) check(chain []string, key *ecdsa.PrivateKey, asked time.Time) (*identity, error) {
	if len(chain) < 2 {
		return nil, fmt.Errorf("a chain of %d certificates leads nowhere", len(chain))
	}
	var sent []byte
	for _, c := range chain[:len(chain)-1] {
		sent = append(sent, c...)
	}
	list, err := ca.ParseCertificates(sent)
	if err != nil {
		return nil, err
	}
	leaf := list[0]
	switch {
	case !key.PublicKey.Equal(leaf.PublicKey):
		return nil, errors.New("the certificate is for another key")
	case len(leaf.URIs) != 1 || leaf.URIs[0].String() != a.opts.ID.String():
		return nil, errors.New("the certificate is for another identity")
	case asked.Before(leaf.NotBefore) || !asked.Before(leaf.NotAfter):
		return nil, fmt.Errorf("the certificate is valid from %s to %s and not now: look at the clocks", leaf.NotBefore, leaf.NotAfter)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &identity{
		key:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		chain: sent, since: asked, notBefore: leaf.NotBefore, until: leaf.NotAfter, version: leaf.SerialNumber.Text(16),
	}, nil
}

// now gives the certificate and what tells of the next.
func (a *Agent) now() (*identity, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current, a.changed
}

// Version is the certificate's serial number, or "" before the first; changed is closed when there is another. The error is that of the last
// request.
func (a *Agent) Version() (serial string, changed <-chan struct{}, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil {
		serial = a.current.version
	}
	return serial, a.changed, a.last
}
