package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/squallmesh/squall/bookinfo/internal/gate"
)

// Server is a backend that has its ports and its control socket and waits to be run.
type Server struct {
	opts   Options
	ledger *ledger
	grpc   *grpc.Server

	ctx      context.Context // the server's own life
	stop     context.CancelFunc
	stopping <-chan struct{} // ctx.Done()

	listeners map[string]net.Listener
	control   net.Listener // nil: no control
	running   gate.Gate
}

// Listen takes the ports and makes the control socket. The caller must call [Server.Run], which also gives them back. It
// returns an error when the options are unusable, a port is taken, or another backend serves the socket.
func Listen(ctx context.Context, o Options) (_ *Server, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	s := &Server{
		opts: o, ledger: newLedger(o.MaxRequestIDs), grpc: newGRPC(), listeners: map[string]net.Listener{},
	}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.stopping = s.ctx.Done()
	defer func() {
		if err != nil {
			s.giveBack()
		}
	}()
	host := o.Host
	if host == "*" {
		host = ""
	}
	encrypted, err := o.tls()
	if err != nil {
		return nil, err
	}
	for _, name := range portNames() {
		if name == HTTPS && encrypted == nil {
			continue
		}
		var lc net.ListenConfig
		ln, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(o.Ports[name])))
		if err != nil {
			return nil, fmt.Errorf("port %s: %w", name, err)
		}
		s.listeners[name] = &listener{Listener: ln, port: name, ledger: s.ledger}
		if name == HTTPS {
			s.listeners[name] = tls.NewListener(s.listeners[name], encrypted)
		}
	}
	if o.Control != "" {
		if s.control, err = listenControl(ctx, o.Control); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Server) giveBack() {
	s.stop()
	for _, ln := range s.listeners {
		_ = ln.Close()
	}
	if s.control != nil {
		_ = s.control.Close()
	}
	s.grpc.Stop()
}

// Addrs returns the addresses served by port name.
func (s *Server) Addrs() map[string]net.Addr {
	addrs := map[string]net.Addr{}
	for name, ln := range s.listeners {
		addrs[name] = ln.Addr()
	}
	return addrs
}

// Run serves until ctx is cancelled and then returns nil, within Options.Grace. Requests held, delayed or hanging end
// without an answer. It returns an error when a port stops serving by itself. It must be called once.
func (s *Server) Run(ctx context.Context) error {
	defer s.giveBack()
	lines := &lineServer{Server: s, conns: map[*conn]struct{}{}}
	servers := map[string]*http.Server{}
	for _, port := range []string{HTTP, HTTP2, GRPC, HTTPS} {
		if s.listeners[port] != nil {
			servers[port] = s.httpServer(port)
		}
	}
	listeners := maps.Clone(s.listeners)
	if s.control != nil {
		listeners["control"] = s.control
		servers["control"] = &http.Server{
			Handler: s.running.Guard(s.controlAPI()), ErrorLog: silent(), ReadHeaderTimeout: time.Minute,
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for name, srv := range servers {
		group.Go(func() error { return served(name, srv.Serve(listeners[name])) })
	}
	group.Go(func() error { return served(TCP, lines.serve(s.listeners[TCP])) }) //nolint:contextcheck // its own life
	group.Go(func() error {
		<-ctx.Done()
		s.stop() // ends what is held, delayed or hanging
		_ = s.listeners[TCP].Close()
		s.shutdown(servers, lines) //nolint:contextcheck // ctx is over
		return nil
	})
	err := group.Wait()
	s.running.Close()
	return err
}

func (s *Server) shutdown(servers map[string]*http.Server, lines *lineServer) {
	last, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), s.opts.Grace)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { lines.shutdown(s.opts.Grace) })
	for _, srv := range servers {
		wg.Go(func() {
			_ = srv.Shutdown(last) // that the grace was too short is no error
			_ = srv.Close()
		})
	}
	wg.Wait()
}

func served(name string, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("port %s: %w", name, err)
}

func (s *Server) httpServer(port string) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(port == HTTP || port == HTTPS)
	protocols.SetUnencryptedHTTP2(port == HTTP2 || port == GRPC)
	return &http.Server{
		Handler:     s.running.Guard(s.serveHTTP(port)),
		Protocols:   &protocols,
		ErrorLog:    silent(),
		ConnContext: withConn,
		// Any number of held requests must fit on one connection: it is the proxy's limits that are tested.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: math.MaxInt32},
		// A proxy may keep a connection for long before its first request.
		ReadHeaderTimeout: 10 * time.Minute,
	}
}

func silent() *log.Logger {
	return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
}
