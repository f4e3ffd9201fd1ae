package extauthz

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"golang.org/x/sync/errgroup"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// What the authorizer looks at, and how it says what it found: in a header for the app where it allows, for the caller where it denies.
const (
	AskHeader    = "x-ext-authz"
	ResultHeader = "x-ext-authz-check-result"

	allow, allowed, denied = "allow", "allowed", "denied"
	reason                 = "denied: the request has no header " + AskHeader + ": " + allow + "\n"
)

// Server is the authorizer. The zero value is ready.
type Server struct {
	authv3.UnimplementedAuthorizationServer
}

// Check answers by gRPC.
func (Server) Check(_ context.Context, req *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	if req.GetAttributes().GetRequest().GetHttp().GetHeaders()[AskHeader] == allow {
		return &authv3.CheckResponse{
			Status:       &rpcstatus.Status{Code: int32(codes.OK)},
			HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{Headers: result(allowed)}},
		}, nil
	}
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(codes.PermissionDenied)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status: &typev3.HttpStatus{Code: typev3.StatusCode_Forbidden}, Headers: result(denied), Body: reason,
		}},
	}, nil
}

func result(value string) []*corev3.HeaderValueOption {
	return []*corev3.HeaderValueOption{{
		Header:       &corev3.HeaderValue{Key: ResultHeader, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}}
}

// ServeHTTP answers by HTTP: 200 or 403.
func (Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(AskHeader) == allow {
		w.Header().Set(ResultHeader, allowed)
		return
	}
	w.Header().Set(ResultHeader, denied)
	http.Error(w, reason, http.StatusForbidden)
}

// Serve answers on both listeners, which it closes, until the context ends.
func Serve(ctx context.Context, byGRPC, byHTTP net.Listener) error {
	g := grpc.NewServer()
	authv3.RegisterAuthorizationServer(g, Server{})
	h := &http.Server{Handler: Server{}, ReadHeaderTimeout: 10 * time.Second}
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return g.Serve(byGRPC) })
	running.Go(func() error { return h.Serve(byHTTP) })
	running.Go(func() error {
		<-ctx.Done()
		g.Stop()
		return h.Close()
	})
	if err := running.Wait(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("authorizer: %w", err)
	}
	return nil
}
