package fleet

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"path"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/squallmesh/squall/mesh/agent"
	"github.com/squallmesh/squall/mesh/ca"
	caagent "github.com/squallmesh/squall/mesh/ca/agent"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/tunnel"
)

// identities are what gives workloads theirs. The lab knows which pod is whose, and says so by tokens of its own; the agent beside an Envoy makes the key,
// and shows the token to the control plane's authority.
type identities struct {
	attestor *ca.Attestor
	// authority is the address of the certificate service, roots those by which it is known.
	authority, roots string
}

// startIdentities gives the control plane's arguments and the files that go with them. Each lab has an authority of its own, whatever the pod held before.
func (l *Lab) startIdentities() (args []string, files map[string]string, err error) {
	attestor, err := ca.NewAttestor(nil)
	if err != nil {
		return nil, nil, err
	}
	key, err := attestor.PublicKey()
	if err != nil {
		return nil, nil, err
	}
	host, _, err := net.SplitHostPort(l.host.Discovery())
	if err != nil {
		return nil, nil, fmt.Errorf("address of the control plane: %w", err)
	}
	l.identities = identities{attestor: attestor, authority: net.JoinHostPort(host, strconv.Itoa(AuthorityPort))}
	sum := sha256.Sum256(key)
	callers := path.Join(RunDir, "callers.pem")
	return []string{
		"--ca", l.identities.authority, "--ca-dir", path.Join(RunDir, "ca-"+hex.EncodeToString(sum[:8])), "--ca-callers", callers,
	}, map[string]string{callers: string(key)}, nil
}

func workloadOf(i *platform.Instance) ca.Workload {
	return ca.Workload{Namespace: i.Namespace, ServiceAccount: i.ServiceAccount, Name: i.Name}
}

// identity is what the agent of a member is told.
func (l *Lab) identity(m *member) (*agent.Identity, error) {
	token, err := l.identities.attestor.Token(workloadOf(&m.Instance))
	if err != nil {
		return nil, err
	}
	return &agent.Identity{
		Workload: workloadOf(&m.Instance), TrustDomain: model.DefaultMesh().TrustDomain,
		Authority: l.identities.authority, Roots: l.identities.roots, Token: token,
	}, nil
}

// certifyEvery is how often agents get tokens: half of a token's life.
const certifyEvery = 30 * time.Second

// certify tells agents again and again who they are, until the context ends: they ask for certificates when they need them.
func (l *Lab) certify(ctx context.Context) {
	tick := time.NewTicker(certifyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, m := range l.live() {
			if token, err := l.identities.attestor.Token(workloadOf(&m.Instance)); err == nil {
				_ = m.proxy.Certify(ctx, token) // one that is out of reach is noticed by who watches it
			}
		}
	}
}

// Ask asks the authority for a certificate of an identity, with what proves who an instance is: nil, or why it has none.
func (l *Lab) Ask(ctx context.Context, as *platform.Instance, namespace, serviceAccount string) error {
	wanted := ca.Workload{Namespace: namespace, ServiceAccount: serviceAccount}
	id, err := wanted.ID(model.DefaultMesh().TrustDomain)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(l.identities.roots))
	conn, err := grpc.NewClient("passthrough:///"+l.identities.authority,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots})),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return l.control.place.Agent.Dial(ctx, tunnel.TCP, address)
		}),
	)
	if err != nil {
		return fmt.Errorf("certificate service: %w", err)
	}
	defer func() { _ = conn.Close() }()
	return caagent.Try(ctx, caagent.Options{Authority: conn, ID: id, Token: func() (string, error) { return l.identities.attestor.Token(workloadOf(as)) }})
}
