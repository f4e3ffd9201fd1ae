package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/sotw/v3"
	xdsserver "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// Options of a server.
type Options struct {
	// Admin reads a proxy's own statistics, to see listeners become active; nil counts a
	// listener as active when it is acknowledged.
	Admin AdminReader
	// Register adds services to those of the discovery server, which proxies reach at the same address; nil adds none.
	Register func(grpc.ServiceRegistrar)
	// Log takes connects, rejections and the like; nil discards.
	Log *slog.Logger
	// Now is the clock; nil takes time.Now.
	Now func() time.Time
	// Observe is told of every answer of a proxy when it comes in, for measurements; nil tells nobody. It must return soon,
	// and must not call the server.
	Observe func(Answer)
}

// Answer is a proxy's acknowledgement or refusal of one response.
type Answer struct {
	Proxy string
	// Type is the discovery service's short name, such as LDS.
	Type string
	// Rejected tells a refusal.
	Rejected bool
	// Sent is when the response went out.
	Sent time.Time
}

// AdminReader reads statistics of a proxy that is connected.
type AdminReader interface {
	// Stat gives a counter's or gauge's value, 0 for one that does not exist yet. The node is the one that the proxy
	// presented.
	Stat(ctx context.Context, node *corev3.Node, name string) (uint64, error)
	// Workers gives the number of worker threads.
	Workers(ctx context.Context, node *corev3.Node) (uint64, error)
}

// Server is the discovery service of one mesh.
type Server struct {
	opts Options

	mu      sync.Mutex
	tr      *translate.Translator
	version uint64
	known   map[string]*model.Proxy
	proxies map[string]*proxy
	streams map[streamID]string
	// changed is closed and replaced whenever a proxy's state moves.
	changed chan struct{}
	// waiter is the Apply that waits for acknowledgements, or nil.
	waiter *waiter

	// applies is held by the one Apply that runs.
	applies sync.Mutex
}

// New gives a server without proxies.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		opts: o, tr: translate.New(), known: map[string]*model.Proxy{}, proxies: map[string]*proxy{},
		streams: map[streamID]string{}, changed: make(chan struct{}),
	}
}

// Serve answers proxies on the listener until the context ends. It closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	g := grpc.NewServer(
		grpc.MaxConcurrentStreams(1<<20),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	streams, cancel := context.WithCancel(ctx)
	defer cancel()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(g, xdsserver.NewServer(streams, (*watches)(s), (*callbacks)(s), sotw.WithOrderedADS()))
	if s.opts.Register != nil {
		s.opts.Register(g)
	}
	stop := context.AfterFunc(ctx, g.Stop)
	defer stop()
	if err := g.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) && ctx.Err() == nil {
		return fmt.Errorf("discovery service: %w", err)
	}
	return nil
}

// Marshals counts how often a resource was marshalled since the start.
func (s *Server) Marshals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tr.Marshals
}

// moved wakes those who wait for a proxy. The caller holds s.mu.
func (s *Server) moved(p *proxy) {
	close(s.changed)
	s.changed = make(chan struct{})
	if s.waiter != nil && s.waiter.look(p, s.opts.Now) {
		close(s.waiter.settled)
		s.waiter = nil
	}
}

// watches is the server as go-control-plane's cache.
type watches Server

// Fetch refuses polling.
func (w *watches) Fetch(context.Context, *cache.Request) (cache.Response, error) {
	return nil, errors.New("polling is not served: use a stream")
}

// CreateDeltaWatch takes a proxy's request, which is also its readiness for the next response.
func (w *watches) CreateDeltaWatch(req *cache.DeltaRequest, _ cache.Subscription, out chan cache.DeltaResponse) (func(), error) {
	return (*Server)(w).watch(req.GetTypeUrl(), req.GetNode(), stream{delta: out}, &request{delta: req}), nil
}

// CreateWatch is CreateDeltaWatch for the state-of-the-world variant.
func (w *watches) CreateWatch(req *cache.Request, _ cache.Subscription, out chan cache.Response) (func(), error) {
	return (*Server)(w).watch(req.GetTypeUrl(), req.GetNode(), stream{full: out}, &request{full: req}), nil
}

func (s *Server) watch(url string, node *corev3.Node, from stream, req *request) (cancel func()) {
	typ, ok := translate.TypeOf(url)
	if !ok {
		// Types that this mesh does not use stay unanswered.
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.proxy(node.GetId())
	if p.stream != from {
		p.connect(from, node)
		s.opts.Log.Info("proxy connected", "proxy", p.id)
	}
	if p.view == nil {
		// The proxy is not part of the mesh yet: its request waits, whole.
		p.types[typ].waiting = append(p.types[typ].waiting, req)
		return s.cancel(p, typ, req)
	}
	p.take(typ, req)
	p.advance(s.opts.Now)
	s.moved(p)
	return s.cancel(p, typ, req)
}

// take makes a request the type's open watch.
func (p *proxy) take(typ translate.Type, req *request) {
	t := &p.types[typ]
	changes := req.delta
	if req.full != nil {
		t.takeBack()
		changes = t.asDelta(req.full)
	}
	t.subscribe(changes, typ, p.view)
	t.watch = req
}

func (s *Server) cancel(p *proxy, typ translate.Type, req *request) func() {
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p.types[typ].watch == req {
			p.types[typ].watch = nil
		}
	}
}

// proxy finds or makes the state of a proxy. The caller holds s.mu.
func (s *Server) proxy(id string) *proxy {
	p := s.proxies[id]
	if p == nil {
		p = &proxy{id: id, view: s.tr.View(id), target: s.version}
		s.proxies[id] = p
	}
	return p
}
