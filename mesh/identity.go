package mesh

import (
	"context"
	"log/slog"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/squallmesh/squall/mesh/ca"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// Identity is what gives workloads their certificates.
type Identity struct {
	// Authority signs; its roots are what proxies trust.
	Authority *ca.Authority
	// Callers says who asks.
	Callers ca.Authenticator
	// Listener is where workloads ask (istio.v1.auth.IstioCertificateService). It is closed at the end.
	Listener net.Listener
	// Names, or addresses, are those by which callers know the listener, which then speaks TLS; without any it does not.
	Names []string
}

func (i *Identity) serve(ctx context.Context, log *slog.Logger) error {
	var options []grpc.ServerOption
	if len(i.Names) > 0 {
		options = append(options, grpc.Creds(credentials.NewTLS(i.Authority.Serving(i.Names...))))
	}
	return ca.NewServer(i.Authority, i.Callers, log).Serve(ctx, i.Listener, options...)
}

// WithoutIdentity reports rules that a mesh without identities cannot keep: it would send in plain text what shall be encrypted,
// and know nobody whom it shall refuse.
func WithoutIdentity(s model.Snapshot) diag.List {
	var out diag.List
	if s.Trust != nil {
		return nil
	}
	refuse := func(pos diag.Pos, what string) {
		out.Errorf("NO-IDENTITY", pos, "%s needs identities, and this mesh gives its workloads none", what)
		out.Hint("labs give them: squall up, squall run")
	}
	for _, r := range s.Revocations.All() {
		refuse(r.Pos, "a Revocation")
	}
	for _, p := range s.PeerAuthentications.All() {
		strict := p.Mode == model.MTLSStrict
		for _, port := range p.Ports {
			strict = strict || port.Mode == model.MTLSStrict
		}
		if strict {
			refuse(p.Pos, "mode STRICT")
		}
	}
	for _, a := range s.AuthorizationPolicies.All() {
		if a.AsksIdentities() {
			refuse(a.Pos, "a policy about callers' identities")
		}
	}
	for _, g := range s.Gateways.All() {
		for _, server := range g.Servers {
			if t := server.TLS; t != nil && t.Mode == model.ServerIstioMutual {
				refuse(t.Pos, "mode ISTIO_MUTUAL")
			}
		}
	}
	for _, d := range s.DestinationRules.All() {
		for _, t := range d.AllTLS() {
			if t.Mode == model.TLSIstio {
				refuse(t.Pos, "mode ISTIO_MUTUAL")
			}
		}
	}
	return out
}
