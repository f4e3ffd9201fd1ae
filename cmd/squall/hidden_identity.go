package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/ca"
)

// identityFlags tell the control plane how to give workloads their identities.
type identityFlags struct {
	fd         int
	address    string
	dir        string
	callersKey string
	ttl        time.Duration
}

func (f *identityFlags) register(c *cobra.Command) {
	c.Flags().IntVar(&f.fd, "ca-fd", 0, "file descriptor of the certificate service's listener; 0: workloads have no identities")
	c.Flags().StringVar(&f.address, "ca", "", "address of the certificate service, over TLS, in place of a file descriptor")
	c.Flags().StringVar(&f.dir, "ca-dir", "", "folder of the authority; made if it is empty")
	c.Flags().StringVar(&f.callersKey, "ca-callers", "", "public key of who says which workload calls, a PEM file")
	c.Flags().DurationVar(&f.ttl, "ca-ttl", ca.DefaultTTL, "how long certificates live")
}

func (f *identityFlags) open(ctx context.Context, trustDomain string) (*mesh.Identity, error) {
	if f.fd == 0 && f.address == "" {
		return nil, nil //nolint:nilnil // no identities is what was asked for
	}
	listener, err := listener(ctx, "tcp", f.address, f.fd)
	if err != nil {
		return nil, err
	}
	var names []string
	if f.address != "" {
		host, _, err := net.SplitHostPort(f.address)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		names = []string{host}
	}
	key, err := os.ReadFile(f.callersKey)
	if err != nil {
		return nil, fmt.Errorf("--ca-callers: %w", err)
	}
	callers, err := ca.NewVerifier(key, time.Now)
	if err != nil {
		return nil, err
	}
	authority, err := ca.Open(ca.Options{Dir: f.dir, TrustDomain: trustDomain, TTL: f.ttl, Now: time.Now})
	if err != nil {
		return nil, err
	}
	return &mesh.Identity{Authority: authority, Callers: callers, Listener: listener, Names: names}, nil
}
