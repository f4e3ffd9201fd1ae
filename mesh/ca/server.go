package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	security "istio.io/api/security/v1alpha1"
)

// maxMessage bounds what a caller may send, in bytes.
const maxMessage = 64 << 10

// Server answers workloads that ask for their certificates: istio.v1.auth.IstioCertificateService.
type Server struct {
	security.UnimplementedIstioCertificateServiceServer

	authority *Authority
	callers   Authenticator
	log       *slog.Logger
}

// NewServer serves an authority to those whom callers knows. A nil log discards; no key, token or certificate is ever logged.
func NewServer(authority *Authority, callers Authenticator, log *slog.Logger) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{authority: authority, callers: callers, log: log}
}

// Serve answers on the listener, which it closes, until the context ends.
func (s *Server) Serve(ctx context.Context, l net.Listener, options ...grpc.ServerOption) error {
	g := grpc.NewServer(append(options,
		grpc.MaxRecvMsgSize(maxMessage), grpc.ConnectionTimeout(10*time.Second), grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)...)
	security.RegisterIstioCertificateServiceServer(g, s)
	stop := context.AfterFunc(ctx, g.Stop)
	defer stop()
	if err := g.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) && ctx.Err() == nil {
		return fmt.Errorf("certificate service: %w", err)
	}
	return nil
}

// CreateCertificate signs the caller's key. Whatever is not in order is refused: an unknown caller (UNAUTHENTICATED), an identity that is
// not the caller's (PERMISSION_DENIED), a request that cannot be read or is too weak (INVALID_ARGUMENT).
func (s *Server) CreateCertificate(ctx context.Context, in *security.IstioCertificateRequest) (*security.IstioCertificateResponse, error) {
	caller, err := s.caller(ctx)
	if err != nil {
		s.log.Warn("certificate refused", "error", err)
		return nil, status.Error(codes.Unauthenticated, err.Error())
	}
	chain, err := s.issue(caller, in)
	if err != nil {
		s.log.Warn("certificate refused", "namespace", caller.Namespace, "serviceAccount", caller.ServiceAccount, "workload", caller.Name, "error", err)
		return nil, err
	}
	s.log.Info("certificate issued", "id", chain[0].URIs[0].String(), "workload", caller.Name, "until", chain[0].NotAfter)
	out := &security.IstioCertificateResponse{}
	for _, c := range chain {
		out.CertChain = append(out.CertChain, string(encode(c)))
	}
	return out, nil
}

func (s *Server) caller(ctx context.Context) (Workload, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, v := range md.Get("authorization") {
		if token, ok := strings.CutPrefix(v, "Bearer "); ok {
			return s.callers.Authenticate(ctx, token)
		}
	}
	return Workload{}, errors.New("a bearer token is wanted")
}

func (s *Server) issue(caller Workload, in *security.IstioCertificateRequest) ([]*x509.Certificate, error) {
	id, err := caller.ID(s.authority.TrustDomain())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	req, err := Check(in.GetCsr(), id)
	switch {
	case errors.Is(err, ErrForged):
		return nil, status.Error(codes.PermissionDenied, err.Error())
	case err != nil:
		return nil, status.Error(codes.InvalidArgument, err.Error())
	case in.GetValidityDuration() < 0 || in.GetValidityDuration() > int64(MaxTTL/time.Second):
		return nil, status.Errorf(codes.InvalidArgument, "a certificate lives for 1 to %d seconds", int64(MaxTTL/time.Second))
	}
	chain, err := s.authority.Issue(id, req, time.Duration(in.GetValidityDuration())*time.Second)
	switch {
	case errors.Is(err, ErrRevoked):
		return nil, status.Error(codes.PermissionDenied, err.Error())
	case err != nil:
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return chain, nil
}
