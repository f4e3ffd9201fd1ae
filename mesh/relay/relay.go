package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/rs/zerolog"
)

// Options of a relay.
type Options struct {
	// Listen is where callers connect, Upstream where the relay connects to: host:port.
	Listen, Upstream string
	// Source is the IP address from which the relay connects, so that the upstream knows the caller; any if empty.
	Source string
	// Listener is where to accept, in place of a socket at Listen; the relay closes it. nil: none.
	Listener net.Listener
	// Dial connects to the upstream, in place of a dialer at Source. nil: none.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// dialTimeout bounds how long a caller waits for an upstream that does not answer.
const dialTimeout = 10 * time.Second

// Relay carries connections from one address to another.
type Relay struct {
	opts     Options
	listener net.Listener
	server   *toxiproxy.ApiServer
	proxy    *toxiproxy.Proxy
	done     sync.WaitGroup

	passed  atomic.Uint64
	aborted atomic.Uint64

	mu     sync.Mutex
	faults map[string]Fault
	conns  map[*net.TCPConn]*net.TCPConn
	next   int
	closed bool
}

// Listen opens a relay, which carries connections until Close.
func Listen(ctx context.Context, o Options) (*Relay, error) {
	prepare()
	l := o.Listener
	if l == nil {
		var lc net.ListenConfig
		var err error
		if l, err = lc.Listen(ctx, "tcp", o.Listen); err != nil {
			return nil, fmt.Errorf("relay to %s: %w", o.Upstream, err)
		}
	}
	dialer := &net.Dialer{}
	if o.Source != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(o.Source)}
	}
	if o.Dial == nil {
		o.Dial = dialer.DialContext
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	r := &Relay{
		opts: o, listener: l, server: server,
		proxy:  toxiproxy.NewProxy(server, o.Listen, o.Listen, o.Upstream),
		faults: map[string]Fault{}, conns: map[*net.TCPConn]*net.TCPConn{},
	}
	carrying := context.WithoutCancel(ctx)
	r.done.Go(func() { r.accept(carrying) })
	return r, nil
}

func (r *Relay) accept(ctx context.Context) {
	for {
		c, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // one connection failed, say for want of file descriptors
		}
		r.done.Go(func() { r.carry(ctx, c.(*net.TCPConn)) })
	}
}

// carry joins a caller's connection with one to the upstream. It returns when they are joined.
func (r *Relay) carry(ctx context.Context, caller *net.TCPConn) {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	up, err := r.opts.Dial(dialing, "tcp", r.opts.Upstream)
	if err != nil {
		abort(caller)
		return
	}
	upstream := up.(*net.TCPConn)
	name, ok := r.join(caller, upstream)
	if !ok {
		abort(caller)
		abort(upstream)
		return
	}
	r.proxy.Toxics.StartLink(r.server, name+"up", &source{r, caller}, &sink{r, upstream, caller}, stream.Upstream)
	r.proxy.Toxics.StartLink(r.server, name+"down", upstream, &sink{r, caller, caller}, stream.Downstream)
}

// join notes a pair of connections under a name of its own, unless the relay has been closed meanwhile.
func (r *Relay) join(caller, upstream *net.TCPConn) (name string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return "", false
	}
	r.conns[caller] = upstream
	r.next++
	return strconv.Itoa(r.next), true
}

// source reads what a caller sends, and counts it. A new connection is reset at its first bytes: earlier, whether the caller
// sees a reset or a refusal would be a matter of luck.
type source struct {
	r      *Relay
	caller *net.TCPConn
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.caller.Read(b)
	if n == 0 {
		return n, err
	}
	s.r.passed.Add(1)
	if s.r.resets(s.caller) {
		return 0, io.EOF
	}
	return n, err
}

// sink writes to one side of a pair. When its direction has ended, both connections have.
type sink struct {
	r          *Relay
	to, caller *net.TCPConn
}

func (s *sink) Write(b []byte) (int, error) { return s.to.Write(b) }

func (s *sink) Close() error {
	s.r.mu.Lock()
	upstream := s.r.conns[s.caller]
	delete(s.r.conns, s.caller)
	s.r.mu.Unlock()
	if upstream == nil {
		return nil
	}
	return errors.Join(s.caller.Close(), upstream.Close())
}

// Set begins a fault under a name, in place of an earlier one of that name.
func (r *Relay) Set(ctx context.Context, name string, f Fault) error {
	r.Clear(ctx, name)
	r.mu.Lock()
	r.faults[name] = f
	if f.Reset {
		for caller, upstream := range r.conns {
			r.reset(caller, upstream)
		}
	}
	r.mu.Unlock()
	for _, t := range f.toxics(name) {
		if _, err := r.proxy.Toxics.AddToxicJson(t.json()); err != nil {
			r.Clear(ctx, name)
			return fmt.Errorf("%s at the relay to %s: %w", t.Type, r.opts.Upstream, err)
		}
	}
	return nil
}

// Clear ends a fault; one that is not set is none.
func (r *Relay) Clear(ctx context.Context, name string) {
	r.mu.Lock()
	f, set := r.faults[name]
	delete(r.faults, name)
	r.mu.Unlock()
	if !set {
		return
	}
	for _, t := range f.toxics(name) {
		_ = r.proxy.Toxics.RemoveToxic(ctx, t.Name) // one that was never added
	}
}

// Address is where it listens, host:port.
func (r *Relay) Address() string { return r.listener.Addr().String() }

// Passed counts how often callers' bytes reached the relay; Resets counts the connections that it has reset. Either says
// whether a fault met any traffic.
func (r *Relay) Passed() uint64 { return r.passed.Load() }

// Resets is described at Passed.
func (r *Relay) Resets() uint64 { return r.aborted.Load() }

// Close ends the relay and all its connections.
func (r *Relay) Close() error {
	err := r.listener.Close()
	r.mu.Lock()
	r.closed = true
	for caller, upstream := range r.conns {
		abort(caller)
		abort(upstream)
	}
	r.mu.Unlock()
	r.proxy.Toxics.ResetToxics(context.Background())
	r.done.Wait()
	return err
}

// resets ends a caller's connection if that is the fault of the moment.
func (r *Relay) resets(caller *net.TCPConn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.faults {
		if f.Reset {
			if upstream := r.conns[caller]; upstream != nil {
				r.reset(caller, upstream)
			}
			return true
		}
	}
	return false
}

// reset wants r.mu held.
func (r *Relay) reset(caller, upstream *net.TCPConn) {
	delete(r.conns, caller)
	r.aborted.Add(1)
	abort(caller)
	abort(upstream)
}

// abort closes a connection with an RST.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
