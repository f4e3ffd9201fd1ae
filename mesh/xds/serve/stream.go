package serve

import (
	"slices"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	runtimev3 "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/squallmesh/squall/mesh/xds/translate"
)

// stream is where the responses of one stream go: a channel of one of the two variants of the protocol. Two streams are
// the same if they are equal; the zero value is none.
type stream struct {
	delta chan cache.DeltaResponse
	full  chan cache.Response
}

func (s stream) open() bool { return s != stream{} }

// request is a proxy's open request of a type, in the variant of its stream.
type request struct {
	delta *discoveryv3.DeltaDiscoveryRequest
	full  *discoveryv3.DiscoveryRequest
}

// answer is what a request of either variant says of an earlier response.
type answer interface {
	GetResponseNonce() string
	GetErrorDetail() *rpcstatus.Status
}

// send answers the type's open request with changes that t.held has already, and with resources whose time to live is
// renewed; a full stream has none. It gives the message as it goes out.
func (s stream) send(t *typeState, typ translate.Type, version string, changes []sentChange, renewed []*translate.Resource) proto.Message {
	if s.full != nil {
		body := t.fullResponse(typ, version, changes)
		s.full <- &fullResponse{request: t.watch.full, body: body}
		return body
	}
	body := deltaResponseBody(typ, version, changes, renewed)
	s.delta <- &deltaResponse{request: t.watch.delta, body: body}
	return body
}

func deltaResponseBody(typ translate.Type, version string, changes []sentChange, renewed []*translate.Resource) *discoveryv3.DeltaDiscoveryResponse {
	body := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: typ.URL(), SystemVersionInfo: version}
	for _, c := range changes {
		if c.new == nil {
			body.RemovedResources = append(body.RemovedResources, c.name)
			continue
		}
		body.Resources = append(body.Resources, &discoveryv3.Resource{Name: c.name, Version: c.new.Version, Resource: c.new.Body, Ttl: ttl(c.new)})
	}
	for _, r := range renewed {
		body.Resources = append(body.Resources, &discoveryv3.Resource{Name: r.Name, Version: r.Version, Ttl: ttl(r)})
	}
	return body
}

// fullResponse is the state-of-the-world variant. Of clusters and listeners it has all, so that what is missing is
// removed; of what proxies ask by name, what changed.
func (t *typeState) fullResponse(typ translate.Type, version string, changes []sentChange) *discoveryv3.DiscoveryResponse {
	body := &discoveryv3.DiscoveryResponse{TypeUrl: typ.URL(), VersionInfo: version}
	if t.wildcard {
		for _, table := range t.held {
			for _, r := range table.All() {
				body.Resources = append(body.Resources, r.Body)
			}
		}
		return body
	}
	for _, c := range changes {
		if c.new != nil {
			body.Resources = append(body.Resources, lasting(c.new))
		}
	}
	return body
}

// lasting gives a resource's content; an armed runtime layer is sent empty. On a full stream that carries several layers
// Envoy 1.40 ends itself when the time to live of one runs out, and without that a fault could outlive its run. Apply
// refuses to arm one there.
func lasting(r *translate.Resource) *anypb.Any {
	if ttl(r) == nil {
		return r.Body
	}
	out := &anypb.Any{}
	if err := anypb.MarshalFrom(out, &runtimev3.Runtime{Name: r.Name}, proto.MarshalOptions{}); err != nil {
		panic("empty layer " + r.Name + ": " + err.Error()) // a name is valid text
	}
	return out
}

// takeBack undoes responses that never went out: in the state-of-the-world variant go-control-plane drops what it has not
// sent of a type when the proxy asks for that type once more. What they held is to be sent again.
func (t *typeState) takeBack() {
	t.flights = slices.DeleteFunc(t.flights, func(f *flight) bool {
		if f.nonce != "" {
			return false
		}
		for _, c := range f.changes {
			if c.new == nil {
				t.held[c.layer] = t.held[c.layer].Set(c.name, c.old)
				continue
			}
			if t.held[c.layer].At(c.name) != c.new {
				continue
			}
			t.restore(c)
			if t.names[c.name] && !slices.Contains(t.asked, c.name) {
				t.asked = append(t.asked, c.name)
			}
		}
		t.answered = false
		return true
	})
}

// restore takes back that a resource is held, in favour of the one before.
func (t *typeState) restore(c sentChange) {
	if c.old == nil {
		t.held[c.layer] = t.held[c.layer].Delete(c.name)
	} else {
		t.held[c.layer] = t.held[c.layer].Set(c.name, c.old)
	}
}

// asDelta gives what a state-of-the-world request changes: each lists all names that it wants, or none for all clusters or
// listeners.
func (t *typeState) asDelta(req *discoveryv3.DiscoveryRequest) *discoveryv3.DeltaDiscoveryRequest {
	out := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: req.GetTypeUrl()}
	wanted := map[string]bool{}
	for _, name := range req.GetResourceNames() {
		wanted[name] = true
		if name == "*" && t.wildcard || t.names[name] {
			continue
		}
		out.ResourceNamesSubscribe = append(out.ResourceNamesSubscribe, name)
	}
	for _, name := range sortedKeys(t.names) {
		if !wanted[name] {
			out.ResourceNamesUnsubscribe = append(out.ResourceNamesUnsubscribe, name)
		}
	}
	return out
}
