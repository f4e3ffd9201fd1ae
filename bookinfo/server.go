package bookinfo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"time"

	"github.com/squallmesh/squall/bookinfo/internal/gate"
)

// Server is a service that has its address and waits to be run.
type Server struct {
	addrs map[string]net.Addr
	run   func(context.Context) error
}

// Addrs returns the addresses served by port name: "http" or "tcp"; the backend has "http", "http2", "grpc" and "tcp".
func (s *Server) Addrs() map[string]net.Addr { return maps.Clone(s.addrs) }

// Run serves until ctx is cancelled; see [Serve]. It must be called once.
func (s *Server) Run(ctx context.Context) error { return s.run(ctx) }

// service is what a constructor of an HTTP service gets: its options and its ways out.
type service struct {
	Options
	log *slog.Logger
	// life ends when requests in flight have had their time to finish.
	life context.Context // the server's own, which outlasts any one request
	out  *outbound
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	if addr == "" {
		return nil, errors.New("no address to listen on")
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return ln, nil
}

// httpRole makes a role of a constructor of its handler.
func httpRole(role string, build func(*service) (http.Handler, error)) func(context.Context, Options) (*Server, error) {
	return func(ctx context.Context, o Options) (*Server, error) {
		life, end := context.WithCancel(context.WithoutCancel(ctx))
		svc := &service{Options: o, log: o.logger(role), life: life}
		h, err := svc.handler(build)
		if err != nil {
			end()
			return nil, err
		}
		if h, err = limited(svc, h); err != nil {
			end()
			return nil, err
		}
		ln, err := listen(ctx, o.Listen)
		if err != nil {
			end()
			return nil, err
		}
		return &Server{
			addrs: map[string]net.Addr{"http": ln.Addr()},
			run: func(ctx context.Context) error {
				defer end()
				return serveHTTP(ctx, ln, h, o.Grace, end)
			},
		}, nil
	}
}

func (s *service) handler(build func(*service) (http.Handler, error)) (http.Handler, error) {
	var err error
	if s.out, err = newOutbound(s.life, s.Env); err != nil {
		return nil, err
	}
	s.out.call = s.Call
	return build(s)
}

// Handler gives what a service does with requests, for those who serve it otherwise than Listen does: productpage, details, reviews or
// ratings. How many it works on at a time is theirs: see [Workers].
func Handler(role string, o Options) (http.Handler, error) {
	build := map[string]func(*service) (http.Handler, error){
		"details": newDetails, "productpage": newProductPage, "ratings": newRatings, "reviews": newReviews,
	}[role]
	if build == nil {
		return nil, fmt.Errorf("%w: %q has no handler", ErrUnknownRole, role)
	}
	o = o.withDefaults()
	return (&service{Options: o, log: o.logger(role), life: context.Background()}).handler(build)
}

// serveHTTP serves until ctx is cancelled; then requests have grace to finish, end ends the calls of those that have
// not, and it returns when the last handler has.
func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler, grace time.Duration, end func()) error {
	var running gate.Gate
	srv := &http.Server{
		Handler:  running.Guard(h),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		// A sidecar may keep a connection for long before its first request.
		ReadHeaderTimeout: 10 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		end()
		running.Close()
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	_ = srv.Shutdown(last) // that the grace was too short is no error: the rest is cut off here
	end()
	_ = srv.Close()
	<-failed //nolint:errcheck // closed on purpose
	running.Close()
	return nil
}
