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
	// Log takes connects, rejections and the like; nil discards.
	Log *slog.Logger
	// Now is the clock; nil takes time.Now.
	Now func() time.Time
}

// AdminReader reads counters of a proxy that is connected.
type AdminReader interface {
	// Counter gives a counter's value. The node is the one that the proxy presented.
	Counter(ctx context.Context, node *corev3.Node, name string) (uint64, error)
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
	streams map[int64]string
	// changed is closed and replaced whenever a proxy's state moves.
	changed chan struct{}

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
		streams: map[int64]string{}, changed: make(chan struct{}),
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
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(g, xdsserver.NewServer(streams, (*watches)(s), (*callbacks)(s)))
	stop := context.AfterFunc(ctx, g.Stop)
	defer stop()
	if err := g.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) && ctx.Err() == nil {
		return fmt.Errorf("discovery service: %w", err)
	}
	return nil
}

// moved wakes those who wait for proxies. The caller holds s.mu.
func (s *Server) moved() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// watches is the server as go-control-plane's cache.
type watches Server

// CreateWatch refuses the state-of-the-world protocol.
func (w *watches) CreateWatch(*cache.Request, cache.Subscription, chan cache.Response) (func(), error) {
	return nil, errors.New("state-of-the-world discovery is not served: use delta (api_type: DELTA_GRPC)")
}

// Fetch refuses polling.
func (w *watches) Fetch(context.Context, *cache.Request) (cache.Response, error) {
	return nil, errors.New("polling is not served: use a delta stream")
}

// CreateDeltaWatch takes a proxy's request, which is also its readiness for the next response.
func (w *watches) CreateDeltaWatch(req *cache.DeltaRequest, _ cache.Subscription, out chan cache.DeltaResponse) (func(), error) {
	s := (*Server)(w)
	typ, ok := translate.TypeOf(req.GetTypeUrl())
	if !ok {
		// Types that this mesh does not use stay unanswered.
		return func() {}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.proxy(req.GetNode().GetId())
	if p.stream != out {
		p.connect(out, req.GetNode())
		s.opts.Log.Info("proxy connected", "proxy", p.id)
	}
	if p.view == nil {
		// The proxy is not part of the mesh yet: its request waits, whole.
		p.types[typ].waiting = append(p.types[typ].waiting, req)
		return s.cancel(p, typ, req), nil
	}
	p.take(typ, req)
	p.advance(s.opts.Now)
	s.moved()
	return s.cancel(p, typ, req), nil
}

// take makes a request the type's open watch.
func (p *proxy) take(typ translate.Type, req *discoveryv3.DeltaDiscoveryRequest) {
	p.types[typ].subscribe(req, typ, p.view)
	p.types[typ].watch = req
}

func (s *Server) cancel(p *proxy, typ translate.Type, req *discoveryv3.DeltaDiscoveryRequest) func() {
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

// callbacks is the server as go-control-plane's callbacks.
type callbacks Server

// OnDeltaStreamOpen accepts every stream: the listener decides who may connect.
func (c *callbacks) OnDeltaStreamOpen(context.Context, int64, string) error { return nil }

// OnDeltaStreamClosed notes that a proxy is gone.
func (c *callbacks) OnDeltaStreamClosed(stream int64, node *corev3.Node) {
	s := (*Server)(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.streams[stream]
	delete(s.streams, stream)
	for _, other := range s.streams {
		if other == id {
			// The proxy is back already, on another stream.
			return
		}
	}
	if p := s.proxies[id]; ok && p != nil {
		p.disconnect()
		s.opts.Log.Info("proxy gone", "proxy", node.GetId())
		s.moved()
	}
}

// OnStreamDeltaRequest takes the answer that a request carries.
func (c *callbacks) OnStreamDeltaRequest(stream int64, req *discoveryv3.DeltaDiscoveryRequest) error {
	s := (*Server)(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := req.GetNode().GetId(); id != "" {
		s.streams[stream] = id
	}
	id := s.streams[stream]
	if id == "" {
		return errors.New("the first request of a stream must name its node")
	}
	typ, ok := translate.TypeOf(req.GetTypeUrl())
	if p := s.proxies[id]; ok && p != nil && req.GetResponseNonce() != "" {
		p.answered(typ, req)
		if e := req.GetErrorDetail(); e != nil {
			s.opts.Log.Warn("configuration rejected", "proxy", id, "type", typ.String(), "error", e.GetMessage())
		}
	}
	return nil
}

// OnStreamDeltaResponse learns the nonce under which a response goes out.
func (c *callbacks) OnStreamDeltaResponse(stream int64, _ *discoveryv3.DeltaDiscoveryRequest, resp *discoveryv3.DeltaDiscoveryResponse) {
	s := (*Server)(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.proxies[s.streams[stream]]
	typ, ok := translate.TypeOf(resp.GetTypeUrl())
	if p == nil || !ok {
		return
	}
	for _, f := range p.types[typ].flights {
		if f.response == resp {
			f.nonce = resp.GetNonce()
		}
	}
}

// The state-of-the-world callbacks have nothing to do.

// OnStreamOpen implements go-control-plane's callbacks.
func (c *callbacks) OnStreamOpen(context.Context, int64, string) error { return nil }

// OnStreamClosed implements go-control-plane's callbacks.
func (c *callbacks) OnStreamClosed(int64, *corev3.Node) {}

// OnStreamRequest implements go-control-plane's callbacks.
func (c *callbacks) OnStreamRequest(int64, *discoveryv3.DiscoveryRequest) error { return nil }

// OnStreamResponse implements go-control-plane's callbacks.
func (c *callbacks) OnStreamResponse(context.Context, int64, *discoveryv3.DiscoveryRequest, *discoveryv3.DiscoveryResponse) {
}

// OnFetchRequest implements go-control-plane's callbacks.
func (c *callbacks) OnFetchRequest(context.Context, *discoveryv3.DiscoveryRequest) error { return nil }

// OnFetchResponse implements go-control-plane's callbacks.
func (c *callbacks) OnFetchResponse(*discoveryv3.DiscoveryRequest, *discoveryv3.DiscoveryResponse) {}
