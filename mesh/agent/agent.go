package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/dns"
	"github.com/squallmesh/squall/mesh/proc"
	"github.com/squallmesh/squall/mesh/relay"
	"github.com/squallmesh/squall/mesh/tunnel"
	"github.com/squallmesh/squall/mesh/unixhttp"
)

// Run takes orders until the context ends, and then ends what it runs. A process that ends by itself does not end the agent, which is
// asked why.
func Run(ctx context.Context, o Options) (err error) {
	owner, err := proc.NewOwner(proc.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, owner.Close()) }()
	a := &server{process: newProcess(o, owner), relays: &relays{all: map[string]*relay.Relay{}, broken: map[string]time.Time{}}}
	defer a.relays.close()
	defer a.process.forget()
	// The containers of a pod have users of their own; nobody else sees the folder.
	orders, err := listenUnix(ctx, o.Socket, 0o666)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	a.asked.Store(time.Now().UnixNano())
	g.Go(func() error { return unixhttp.Serve(ctx, orders, a.noting(a.handler())) })
	g.Go(func() error { return a.expire(ctx, o.Alone) })
	g.Go(func() error { return a.strains.watch(ctx, a.process.pid) })
	if o.Tunnel != "" {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Tunnel)
		if err != nil {
			return fmt.Errorf("the agent's port: %w", err)
		}
		g.Go(func() error {
			return tunnel.Server{Token: o.Token, AsApp: dialAsApp, Ready: a.process.ready}.Serve(ctx, l)
		})
	}
	if o.DNS != "" {
		names, err := serveNames(ctx, o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, names.Close()) }()
	}
	return g.Wait()
}

func listenUnix(ctx context.Context, path string, mode os.FileMode) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("old socket: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("the agent's socket: %w", err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serveNames answers for the names of the services that the control plane knows.
func serveNames(ctx context.Context, o Options) (*dns.Server, error) {
	var lc net.ListenConfig
	udp, err := lc.ListenPacket(ctx, "udp", o.DNS)
	if err != nil {
		return nil, fmt.Errorf("DNS server: %w", err)
	}
	tcp, err := lc.Listen(ctx, "tcp", o.DNS)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("DNS server: %w", err), udp.Close())
	}
	names := mesh.NewNames(mesh.NewClient(o.API))
	return dns.Serve(udp, tcp, func(ctx context.Context, host string) (netip.Addr, bool) { return names.Find(ctx, host) }), nil
}

// server takes the agent's orders.
type server struct {
	process *process
	relays  *relays
	strains strains
	// asked is when somebody asked for something last, in nanoseconds since 1970.
	asked atomic.Int64
}

// noting notes that somebody asks.
func (a *server) noting(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Store(time.Now().UnixNano())
		h.ServeHTTP(w, r)
	})
}

// ErrAlone ends an agent that nobody asks for anything any more.
var ErrAlone = errors.New("nobody has asked for anything for too long: the lab is gone")

// expiry is how often leases are looked at.
const expiry = 100 * time.Millisecond

func (a *server) expire(ctx context.Context, alone time.Duration) error {
	tick := time.NewTicker(expiry)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.process.expire(ctx)
			a.relays.expire(ctx)
			if alone > 0 && time.Since(time.Unix(0, a.asked.Load())) > alone {
				return ErrAlone
			}
		}
	}
}

func (a *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", answer(func(context.Context, *http.Request) (any, error) { return a.process.status(), nil }))
	mux.HandleFunc("GET /v1/ended", answer(func(ctx context.Context, _ *http.Request) (any, error) { return a.process.ended(ctx) }))
	mux.Handle("GET "+tunnel.Path, tunnel.Server{Open: true})
	mux.HandleFunc("POST /v1/reset", answer(func(context.Context, *http.Request) (any, error) {
		a.relays.close()
		return struct{}{}, a.process.end()
	}))
	mux.HandleFunc("PUT /v1/process", answer(func(ctx context.Context, r *http.Request) (any, error) {
		var s Spec
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
			return nil, err
		}
		err := a.process.run(context.WithoutCancel(ctx), s)
		return a.process.status(), err
	}))
	mux.HandleFunc("POST /v1/process/{action}", answer(func(ctx context.Context, r *http.Request) (any, error) {
		err := a.process.act(context.WithoutCancel(ctx), r.PathValue("action"))
		return a.process.status(), err
	}))
	mux.HandleFunc("PUT /v1/lease", answer(func(context.Context, *http.Request) (any, error) {
		a.process.renew()
		a.relays.renew()
		return struct{}{}, nil
	}))
	mux.HandleFunc("GET /v1/strains/{since}", answer(func(_ context.Context, r *http.Request) (any, error) {
		since, err := time.Parse(time.RFC3339Nano, r.PathValue("since"))
		return a.strains.since(since), err
	}))
	mux.HandleFunc("PUT /v1/token", answer(func(_ context.Context, r *http.Request) (any, error) {
		var token string
		if err := json.NewDecoder(r.Body).Decode(&token); err != nil {
			return nil, err
		}
		a.process.certify(token)
		return struct{}{}, nil
	}))
	mux.HandleFunc("POST /v1/relays", answer(func(ctx context.Context, r *http.Request) (any, error) {
		var s Relay
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
			return nil, err
		}
		return struct{}{}, a.relays.open(context.WithoutCancel(ctx), s)
	}))
	mux.HandleFunc("PUT /v1/relays/{listen}/{id}", answer(func(ctx context.Context, r *http.Request) (any, error) {
		var f relay.Fault
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			return nil, err
		}
		return struct{}{}, a.relays.set(context.WithoutCancel(ctx), r.PathValue("listen"), r.PathValue("id"), f)
	}))
	mux.HandleFunc("DELETE /v1/faults/{id}", answer(func(ctx context.Context, r *http.Request) (any, error) {
		a.relays.clear(context.WithoutCancel(ctx), r.PathValue("id"))
		return struct{}{}, nil
	}))
	mux.HandleFunc("GET /v1/relays/{listen}", answer(func(_ context.Context, r *http.Request) (any, error) {
		return a.relays.met(r.PathValue("listen")), nil
	}))
	return mux
}

func answer(f func(context.Context, *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r.Context(), r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}
