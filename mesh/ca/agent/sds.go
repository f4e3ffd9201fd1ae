package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secretv3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// SecretName is the secret that Envoys ask for (Istio's name).
const SecretName = "default"

const secretType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"

// Serve gives key and certificate to whoever connects to the listener, which must be the workload's own Envoy alone: a Unix socket in a
// folder that only its user may enter. It closes the listener and returns when the context ends.
func (a *Agent) Serve(ctx context.Context, l net.Listener) error {
	g := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 10))
	secretv3.RegisterSecretDiscoveryServiceServer(g, &secrets{agent: a})
	stop := context.AfterFunc(ctx, g.Stop)
	defer stop()
	if err := g.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) && ctx.Err() == nil {
		return fmt.Errorf("secret service: %w", err)
	}
	return nil
}

// secrets is an agent as Envoy's secret discovery service, in the state-of-the-world variant on a stream of its own.
type secrets struct {
	secretv3.UnimplementedSecretDiscoveryServiceServer
	agent *Agent
}

// StreamSecrets sends the certificate whenever there is a new one.
func (s *secrets) StreamSecrets(stream secretv3.SecretDiscoveryService_StreamSecretsServer) error {
	requests := make(chan *discoveryv3.DiscoveryRequest)
	failed := make(chan error, 1)
	go func() {
		for {
			req, err := stream.Recv()
			if err != nil {
				failed <- err
				return
			}
			select {
			case requests <- req:
			case <-stream.Context().Done():
				failed <- stream.Context().Err()
				return
			}
		}
	}()
	asked, sent := false, ""
	for {
		id, changed := s.agent.now()
		if asked && id != nil && id.version != sent {
			resp, err := response(id)
			if err != nil {
				return status.Error(codes.Internal, "the secret cannot be encoded")
			}
			if err := stream.Send(resp); err != nil {
				return err
			}
			sent = id.version
		}
		select {
		case req := <-requests:
			if e := req.GetErrorDetail(); e != nil {
				s.agent.opts.Log.Warn("Envoy refuses its certificate", "id", s.agent.opts.ID.String(), "error", e.GetMessage())
			}
			names := req.GetResourceNames()
			if slices.ContainsFunc(names, func(n string) bool { return n != SecretName }) {
				return status.Errorf(codes.NotFound, "there is one secret here: %s", SecretName)
			}
			if asked = len(names) > 0; !asked {
				sent = ""
			}
		case <-changed:
		case err := <-failed:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func response(id *identity) (*discoveryv3.DiscoveryResponse, error) {
	inline := func(b []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
	}
	secret, err := anypb.New(&tlsv3.Secret{Name: SecretName, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: inline(id.chain), PrivateKey: inline(id.key),
	}}})
	if err != nil {
		return nil, err
	}
	return &discoveryv3.DiscoveryResponse{
		VersionInfo: id.version, Nonce: id.version, TypeUrl: secretType, Resources: []*anypb.Any{secret},
	}, nil
}
