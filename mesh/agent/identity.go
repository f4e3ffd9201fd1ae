package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/squallmesh/squall/mesh/ca"
	caagent "github.com/squallmesh/squall/mesh/ca/agent"
)

// Identity is who an Envoy's workload is.
type Identity struct {
	ca.Workload

	TrustDomain string
	// Authority is where the certificate service is, host:port, over TLS; Roots are those by which it is known, in PEM.
	Authority, Roots string
	// Token proves who the workload is. It lives for a minute; Certify brings the next.
	Token string
}

// sdsSocket is where the Envoy gets its key and certificate, in its folder.
const sdsSocket = "sds.sock"

// identity keeps the key and the certificate of an Envoy, which does not end them.
type identity struct {
	agent *caagent.Agent

	mu    sync.Mutex
	token string

	stop context.CancelFunc
	done chan struct{}
}

// errNoToken says that a certificate must wait.
var errNoToken = errors.New("the lab has not said lately who the workload is")

func startIdentity(ctx context.Context, o Identity, dir string) (*identity, error) {
	id, err := o.ID(o.TrustDomain)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(o.Roots)) {
		return nil, errors.New("identity: the roots are no certificates in PEM")
	}
	conn, err := grpc.NewClient(o.Authority, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots})))
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	l, err := listenUnix(ctx, filepath.Join(dir, sdsSocket), 0o600)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	one := &identity{token: o.Token, done: make(chan struct{})}
	one.agent = caagent.New(caagent.Options{Authority: conn, ID: id, Token: one.proof})
	ctx, one.stop = context.WithCancel(context.WithoutCancel(ctx))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return one.agent.Run(ctx) })
	g.Go(func() error { return one.agent.Serve(ctx, l) })
	go func() {
		defer close(one.done)
		_ = errors.Join(g.Wait(), conn.Close()) // an Envoy without a certificate is not ready, and says so
	}()
	return one, nil
}

// proof gives the token that came last.
func (i *identity) proof() (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.token == "" {
		return "", errNoToken
	}
	return i.token, nil
}

// certify takes the next token.
func (i *identity) certify(token string) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.token = token
}

// end forgets key and certificate.
func (i *identity) end() {
	if i == nil {
		return
	}
	i.stop()
	<-i.done
}

// unixPath is the address of a socket as Envoy wants it.
func unixPath(l ...string) string { return "unix://" + filepath.Join(l...) }
