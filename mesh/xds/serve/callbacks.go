package serve

import (
	"context"
	"errors"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"

	"github.com/squallmesh/squall/mesh/xds/translate"
)

// streamID names a stream: go-control-plane counts those of each variant by themselves.
type streamID struct {
	full bool
	id   int64
}

// callbacks is the server as go-control-plane's callbacks.
type callbacks Server

// closed notes that a proxy is gone.
func (s *Server) closed(stream streamID, node *corev3.Node) {
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
		s.moved(p)
	}
}

// answered takes the answer that a request carries.
func (s *Server) answered(stream streamID, node *corev3.Node, url string, req answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := node.GetId(); id != "" {
		s.streams[stream] = id
	}
	id := s.streams[stream]
	if id == "" {
		return errors.New("the first request of a stream must name its node")
	}
	typ, ok := translate.TypeOf(url)
	p := s.proxies[id]
	if !ok || p == nil || req.GetResponseNonce() == "" {
		return nil
	}
	if f := p.answered(typ, req); f != nil && s.opts.Observe != nil {
		s.opts.Observe(Answer{Proxy: id, Type: typ.String(), Rejected: req.GetErrorDetail() != nil, Sent: f.sentAt})
	}
	if e := req.GetErrorDetail(); e != nil {
		s.opts.Log.Warn("configuration rejected", "proxy", id, "type", typ.String(), "error", e.GetMessage())
	}
	return nil
}

// sent learns the nonce under which a response goes out.
func (s *Server) sent(stream streamID, url, nonce string, message proto.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.proxies[s.streams[stream]]
	typ, ok := translate.TypeOf(url)
	if p == nil || !ok {
		return
	}
	for _, f := range p.types[typ].flights {
		if f.message == message {
			f.nonce = nonce
		}
	}
}

// OnDeltaStreamOpen accepts every stream: the listener decides who may connect.
func (c *callbacks) OnDeltaStreamOpen(context.Context, int64, string) error { return nil }

// OnDeltaStreamClosed implements go-control-plane's callbacks.
func (c *callbacks) OnDeltaStreamClosed(id int64, node *corev3.Node) {
	(*Server)(c).closed(streamID{id: id}, node)
}

// OnStreamDeltaRequest implements go-control-plane's callbacks.
func (c *callbacks) OnStreamDeltaRequest(id int64, req *discoveryv3.DeltaDiscoveryRequest) error {
	return (*Server)(c).answered(streamID{id: id}, req.GetNode(), req.GetTypeUrl(), req)
}

// OnStreamDeltaResponse implements go-control-plane's callbacks.
func (c *callbacks) OnStreamDeltaResponse(id int64, _ *discoveryv3.DeltaDiscoveryRequest, resp *discoveryv3.DeltaDiscoveryResponse) {
	(*Server)(c).sent(streamID{id: id}, resp.GetTypeUrl(), resp.GetNonce(), resp)
}

// OnStreamOpen accepts every stream.
func (c *callbacks) OnStreamOpen(context.Context, int64, string) error { return nil }

// OnStreamClosed implements go-control-plane's callbacks.
func (c *callbacks) OnStreamClosed(id int64, node *corev3.Node) {
	(*Server)(c).closed(streamID{full: true, id: id}, node)
}

// OnStreamRequest implements go-control-plane's callbacks.
func (c *callbacks) OnStreamRequest(id int64, req *discoveryv3.DiscoveryRequest) error {
	return (*Server)(c).answered(streamID{full: true, id: id}, req.GetNode(), req.GetTypeUrl(), req)
}

// OnStreamResponse implements go-control-plane's callbacks.
func (c *callbacks) OnStreamResponse(_ context.Context, id int64, _ *discoveryv3.DiscoveryRequest, resp *discoveryv3.DiscoveryResponse) {
	(*Server)(c).sent(streamID{full: true, id: id}, resp.GetTypeUrl(), resp.GetNonce(), resp)
}

// OnFetchRequest implements go-control-plane's callbacks.
func (c *callbacks) OnFetchRequest(context.Context, *discoveryv3.DiscoveryRequest) error { return nil }

// OnFetchResponse implements go-control-plane's callbacks.
func (c *callbacks) OnFetchResponse(*discoveryv3.DiscoveryRequest, *discoveryv3.DiscoveryResponse) {}
