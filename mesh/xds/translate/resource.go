package translate

import (
	"fmt"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// Type is a kind of resource, in the order in which additions are sent.
type Type int

// The types of resources.
const (
	Cluster Type = iota
	Endpoint
	Listener
	Route
	Runtime
	Secret
	Extension
	NumTypes
)

const urlPrefix = "type.googleapis.com/"

var typeNames = [NumTypes]struct{ short, url string }{
	Cluster:   {"CDS", urlPrefix + "envoy.config.cluster.v3.Cluster"},
	Endpoint:  {"EDS", urlPrefix + "envoy.config.endpoint.v3.ClusterLoadAssignment"},
	Listener:  {"LDS", urlPrefix + "envoy.config.listener.v3.Listener"},
	Route:     {"RDS", urlPrefix + "envoy.config.route.v3.RouteConfiguration"},
	Runtime:   {"RTDS", urlPrefix + "envoy.service.runtime.v3.Runtime"},
	Secret:    {"SDS", urlPrefix + "envoy.extensions.transport_sockets.tls.v3.Secret"},
	Extension: {"ECDS", urlPrefix + "envoy.config.core.v3.TypedExtensionConfig"},
}

// String gives the discovery service's short name: CDS.
func (t Type) String() string { return typeNames[t].short }

// URL is the type's URL on the wire.
func (t Type) URL() string { return typeNames[t].url }

// TypeOf finds the type of a URL.
func TypeOf(url string) (Type, bool) {
	for t := range NumTypes {
		if typeNames[t].url == url {
			return t, true
		}
	}
	return 0, false
}

// Resource is one resource, marshalled once and shared by all proxies that get it.
type Resource struct {
	Type Type
	Name string
	// Version is a hash of the content.
	Version string
	// Message is the content, for tests and people. It must not be changed.
	Message proto.Message
	// Body is the content on the wire.
	Body *anypb.Any
	// Sources are the places of the rules that shaped the resource.
	Sources []diag.Pos

	refs int
}

// Table holds the resources of one type by name.
type Table = model.Map[*Resource]

// View is all that one proxy gets: what it shares with others and what is its own. A name is in
// one of the two at most.
type View struct{ Shared, Own [NumTypes]Table }

// Get finds a resource.
func (v *View) Get(t Type, name string) *Resource {
	if r, ok := v.Own[t].Get(name); ok {
		return r
	}
	return v.Shared[t].At(name)
}

// Len counts the resources of a type.
func (v *View) Len(t Type) int { return v.Shared[t].Len() + v.Own[t].Len() }

// All goes through the resources of a type: the shared ones first, each part by name.
func (v *View) All(t Type) func(func(string, *Resource) bool) {
	return func(yield func(string, *Resource) bool) {
		for _, table := range []Table{v.Shared[t], v.Own[t]} {
			for name, r := range table.All() {
				if !yield(name, r) {
					return
				}
			}
		}
	}
}

// intern gives the resource with this content: the one that exists, or a new one.
func (t *Translator) intern(typ Type, name string, msg proto.Message, sources []diag.Pos) *Resource {
	key := typ.String() + "/" + name
	for _, r := range t.pool[key] {
		if proto.Equal(r.Message, msg) {
			r.refs++
			if !samePlaces(r.Sources, sources) {
				r.Sources = sources
			}
			return r
		}
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
	if err != nil {
		// Only an invalid UTF-8 string can do this, and the readers of YAML refuse those.
		panic(fmt.Sprintf("marshal %s %s: %v", typ, name, err))
	}
	t.Marshals++
	r := &Resource{
		Type: typ, Name: name, Message: msg, Sources: sources, refs: 1,
		Version: strconv.FormatUint(xxhash.Sum64(body), 16),
		Body:    &anypb.Any{TypeUrl: typ.URL(), Value: body},
	}
	t.pool[key] = append(t.pool[key], r)
	return r
}

func (t *Translator) release(r *Resource) {
	if r.refs--; r.refs > 0 {
		return
	}
	key := r.Type.String() + "/" + r.Name
	list := t.pool[key]
	for i := range list {
		if list[i] == r {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(t.pool, key)
		return
	}
	t.pool[key] = list
}

func samePlaces(a, b []diag.Pos) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
