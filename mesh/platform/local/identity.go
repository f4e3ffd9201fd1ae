package local

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/squallmesh/squall/mesh/ca"
	"github.com/squallmesh/squall/mesh/ca/agent"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
)

// identities gives each workload an agent with the key and the certificate for its Envoy. They live in the lab and not in the control
// plane, which never sees a key and may be down.
type identities struct {
	attestor *ca.Attestor
	conn     *grpc.ClientConn
	trust    string

	running *errgroup.Group
	ctx     context.Context //nolint:containedctx // agents live as long as the lab, not as long as the call that starts one
	cancel  context.CancelFunc
}

// The files of a lab's authority, below the lab's folder.
const (
	caSocket   = "ca.sock"
	caDir      = "ca"
	callersKey = "callers.pem"
	sdsSocket  = "sds.sock"
)

func (l *Lab) startIdentities() error {
	attestor, err := ca.NewAttestor(nil)
	if err != nil {
		return err
	}
	key, err := attestor.PublicKey()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.opts.Dir, callersKey), key, 0o600); err != nil {
		return fmt.Errorf("identities: %w", err)
	}
	// The socket is in a folder, and of a mode, that this user alone may use.
	conn, err := grpc.NewClient("unix:"+filepath.Join(l.opts.Dir, caSocket), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("identities: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	running, ctx := errgroup.WithContext(ctx)
	l.identities = &identities{
		attestor: attestor, conn: conn, trust: model.DefaultMesh().TrustDomain, running: running, ctx: ctx, cancel: cancel,
	}
	return nil
}

// args are the control plane's, given the descriptor of the socket that workloads ask at.
func (l *Lab) identityArgs(fd int) []string {
	return []string{
		"--ca-fd", fmt.Sprint(fd), "--ca-dir", filepath.Join(l.opts.Dir, caDir), "--ca-callers", filepath.Join(l.opts.Dir, callersKey),
	}
}

// serve starts the agent of an instance, which its Envoy finds at the socket in the instance's folder.
func (ids *identities) serve(ctx context.Context, l *Lab, i *Instance) error {
	w := ca.Workload{Namespace: i.Namespace, ServiceAccount: i.ServiceAccount, Name: i.Name}
	id, err := w.ID(ids.trust)
	if err != nil {
		return err
	}
	f, err := unixListener(ctx, filepath.Join(i.dir, sdsSocket))
	if err != nil {
		return fmt.Errorf("identity of %s: %w", i.Name, err)
	}
	defer func() { _ = f.Close() }()
	listener, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("identity of %s: %w", i.Name, err)
	}
	a := agent.New(agent.Options{
		Authority: ids.conn, ID: id, TTL: i.ttl, Log: l.opts.Log, Token: func() (string, error) { return ids.attestor.Token(w) },
	})
	ctx, cancel := context.WithCancel(ids.ctx) //nolint:contextcheck // it outlives the call
	i.stopAgent = cancel
	ids.running.Go(func() error { return a.Run(ctx) })
	ids.running.Go(func() error { return a.Serve(ctx, listener) })
	return nil
}

// Ask asks the authority for a certificate of an identity, with what proves who an instance is: nil, or why it has none.
func (l *Lab) Ask(ctx context.Context, as *platform.Instance, namespace, serviceAccount string) error {
	w := ca.Workload{Namespace: as.Namespace, ServiceAccount: as.ServiceAccount, Name: as.Name}
	wanted := ca.Workload{Namespace: namespace, ServiceAccount: serviceAccount}
	id, err := wanted.ID(l.identities.trust)
	if err != nil {
		return err
	}
	return agent.Try(ctx, agent.Options{Authority: l.identities.conn, ID: id, Token: func() (string, error) { return l.identities.attestor.Token(w) }})
}

func (ids *identities) close() error {
	if ids == nil {
		return nil
	}
	ids.cancel()
	err := ids.running.Wait()
	if e := ids.conn.Close(); err == nil {
		err = e
	}
	return err
}
