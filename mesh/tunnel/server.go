package tunnel

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// The networks that a client may name. App is TCP from where the pod's app is: its sidecar takes the connection.
const (
	TCP  = "tcp"
	Unix = "unix"
	App  = "app"
)

// Path is what a Server answers at, ReadyPath where it says to anybody whether the pod is ready (Istio's path).
const (
	Path      = "/v1/dial"
	ReadyPath = "/healthz/ready"
)

// The protocol of the request, and the header fields that name what to connect to.
const (
	protocol      = "squall-dial"
	networkField  = "Squall-Network"
	addressField  = "Squall-Address"
	bearer        = "Bearer "
	headerTimeout = 5 * time.Second
	dialTimeout   = 30 * time.Second
)

// Server makes connections for those who know the token.
type Server struct {
	// Token is what clients must know; an empty one lets nobody in, unless Open is set: where only the pod's own containers come.
	Token string
	Open  bool
	// AsApp connects as the pod's app; nil refuses that.
	AsApp func(ctx context.Context, network, address string) (net.Conn, error)
	// Ready tells whether the pod is ready; nil does not say.
	Ready func(context.Context) error
}

// Serve answers at a listener, which it closes, until the context ends; that is no error.
func (s Server) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET "+Path, s)
	if s.Ready != nil {
		mux.HandleFunc("GET "+ReadyPath, func(w http.ResponseWriter, r *http.Request) {
			if err := s.Ready(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
		})
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the agent's port: %w", err)
	}
	return nil
}

// ServeHTTP answers one request, at Path.
func (s Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.Open && (s.Token == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(bearer+s.Token)) != 1) {
		http.Error(w, "the token is wrong", http.StatusUnauthorized)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), dialTimeout)
	defer cancel()
	network, address := r.Header.Get(networkField), r.Header.Get(addressField)
	connect := new(net.Dialer).DialContext
	switch {
	case network == App && s.AsApp != nil:
		network, connect = TCP, s.AsApp
	case network != TCP && network != Unix:
		http.Error(w, fmt.Sprintf("no connections of kind %q from here", network), http.StatusBadRequest)
		return
	}
	to, err := connect(ctx, network, address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	from, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = to.Close()
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	stop := context.AfterFunc(r.Context(), func() { _ = errors.Join(from.Close(), to.Close()) })
	defer stop()
	if _, err := io.WriteString(from, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\n"); err != nil {
		_ = errors.Join(from.Close(), to.Close())
		return
	}
	join(from, to)
}

// join carries what either side sends to the other until both have ended. A connection that breaks takes the other with it.
func join(a, b net.Conn) {
	var g sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		g.Go(func() {
			_, err := io.Copy(way[1], way[0])
			if half, ok := way[1].(interface{ CloseWrite() error }); ok && err == nil {
				err = half.CloseWrite()
			}
			if err != nil {
				_ = errors.Join(a.Close(), b.Close())
			}
		})
	}
	g.Wait()
	_ = errors.Join(a.Close(), b.Close())
}
