package serve

import (
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	runtimev3 "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// proxy is the server's side of one Envoy. All fields are guarded by Server.mu.
type proxy struct {
	id     string
	view   *translate.View
	target uint64
	// complete is the newest target that the proxy has acknowledged as a whole.
	complete uint64
	node     *corev3.Node
	// workers is the number of its worker threads; 0 before it was asked on this stream.
	workers uint64
	// stream is the proxy's current stream; zero while it is not connected.
	stream stream
	types  [translate.NumTypes]typeState
	// rejections of the current target.
	rejections []Rejection
}

// typeState is what a proxy holds and waits for of one type of resource.
type typeState struct {
	subscribed bool
	// answered is set by the first response.
	answered bool
	wildcard bool
	names    map[string]bool
	// held are the tables up to which the proxy's state has been sent: shared and own.
	held [2]translate.Table
	// asked are names that were subscribed since the last response.
	asked []string
	// watch is the open request that the next response answers.
	watch *request
	// waiting are requests of a proxy that is not part of the mesh yet.
	waiting []*request
	// flights are responses that are not acknowledged yet.
	flights []*flight
	// rejected holds resources that the proxy refused, so that they are not sent again.
	rejected map[string]*translate.Resource
	// refresh asks for a heartbeat of these names, to renew their time to live.
	refresh []string
}

// flight is one response on its way.
type flight struct {
	nonce  string
	target uint64
	// message is the response as it goes out, by which its nonce is learnt.
	message proto.Message
	changes []sentChange
	sentAt  time.Time
}

type sentChange struct {
	layer    int
	name     string
	old, new *translate.Resource
}

func (p *proxy) connect(stream stream, node *corev3.Node) {
	p.stream, p.node, p.workers = stream, node, 0
	p.types = [translate.NumTypes]typeState{}
	p.complete = 0
	p.rejections = nil
}

func (p *proxy) disconnect() {
	p.stream = stream{}
	p.types = [translate.NumTypes]typeState{}
	p.complete = 0
}

// subscribe takes a request's changes of interest. A first request may say what the proxy still holds from an
// earlier stream; what is unchanged is not sent again.
func (t *typeState) subscribe(req *discoveryv3.DeltaDiscoveryRequest, typ translate.Type, view *translate.View) {
	if !t.subscribed {
		t.subscribed = true
		t.names = map[string]bool{}
		t.wildcard = len(req.GetResourceNamesSubscribe()) == 0 && (typ == translate.Cluster || typ == translate.Listener)
		// One that still holds something is past its start.
		t.answered = len(req.GetInitialResourceVersions()) > 0
		for name, version := range req.GetInitialResourceVersions() {
			t.recall(name, version, typ, view)
		}
	}
	for _, name := range req.GetResourceNamesSubscribe() {
		if name == "*" {
			t.wildcard = true
			continue
		}
		if !t.names[name] || !slices.Contains(t.asked, name) {
			t.names[name] = true
			t.asked = append(t.asked, name)
		}
	}
	for _, name := range req.GetResourceNamesUnsubscribe() {
		if name == "*" {
			t.wildcard = false
			continue
		}
		delete(t.names, name)
		for layer := range t.held {
			t.held[layer] = t.held[layer].Delete(name)
		}
	}
}

// recall notes what a proxy says it still holds. Something unknown today becomes a resource without content, which
// differs from whatever the view has.
func (t *typeState) recall(name, version string, typ translate.Type, view *translate.View) {
	for layer, table := range layers(view, typ) {
		if r := table.At(name); r != nil && r.Version == version {
			t.held[layer] = t.held[layer].Set(name, r)
			return
		}
	}
	t.held[0] = t.held[0].Set(name, &translate.Resource{Type: typ, Name: name, Version: version})
}

func layers(v *translate.View, typ translate.Type) [2]translate.Table {
	return [2]translate.Table{v.Shared[typ], v.Own[typ]}
}

// pending lists what differs between what the proxy holds and what it should: additions (with changes) and removals.
func (p *proxy) pending(typ translate.Type) (additions, removals []sentChange) {
	t := &p.types[typ]
	if !t.subscribed || p.view == nil {
		return nil, nil
	}
	for layer, want := range layers(p.view, typ) {
		model.Diff(t.held[layer], want, func(c model.Change[*translate.Resource]) {
			if !t.wildcard && !t.names[c.Key] {
				return
			}
			if c.Had && c.Has && c.Old.Version == c.New.Version {
				return
			}
			change := sentChange{layer: layer, name: c.Key, old: c.Old, new: c.New}
			switch {
			case !c.Has:
				// A name that moved between the layers is still wanted.
				if p.view.Get(typ, c.Key) == nil {
					removals = append(removals, change)
				}
			case t.rejected[c.Key] != c.New:
				additions = append(additions, change)
			}
		})
	}
	if len(additions)+len(removals)+len(t.rejected) == 0 {
		// The same content: taken over as it is, it shares all nodes with the view, and the next comparison is short.
		t.held = layers(p.view, typ)
	}
	return additions, removals
}

// idle reports whether a type has nothing in flight.
func (p *proxy) idle(types ...translate.Type) bool {
	for _, t := range types {
		if len(p.types[t].flights) > 0 {
			return false
		}
	}
	return true
}

// advance sends what may be sent now. It returns when nothing more can go until the proxy answers.
func (p *proxy) advance(now func() time.Time) {
	if !p.stream.open() || p.view == nil {
		return
	}
	p.send(translate.Runtime, true, now)
	p.send(translate.Secret, true, now) // clusters and listeners warm until they have theirs
	c := p.send(translate.Cluster, true, now)
	e := p.send(translate.Endpoint, true, now)
	if c || e || !p.idle(translate.Cluster, translate.Endpoint) {
		// Subscriptions by name are answered in any case, else a warming listener or cluster would wait for ever.
		p.answerAsked(translate.Listener, now)
		p.answerAsked(translate.Route, now)
		p.answerAsked(translate.Extension, now)
		return
	}
	x := p.send(translate.Extension, true, now)
	l := p.send(translate.Listener, true, now)
	r := p.send(translate.Route, true, now)
	if x || l || r || !p.idle(translate.Extension, translate.Listener, translate.Route) {
		return
	}
	if p.send(translate.Listener, false, now) || !p.idle(translate.Listener) {
		return
	}
	if p.send(translate.Cluster, false, now) || !p.idle(translate.Cluster, translate.Runtime, translate.Secret) {
		return
	}
	for typ := range translate.NumTypes {
		if additions, removals := p.pending(typ); len(additions)+len(p.types[typ].asked) > 0 ||
			len(removals) > 0 && p.types[typ].wildcard {
			return
		}
	}
	p.complete = p.target
}

func (p *proxy) answerAsked(typ translate.Type, now func() time.Time) {
	if len(p.types[typ].asked) > 0 {
		p.send(typ, true, now)
	}
}

// send answers the type's open watch with its additions, or its removals. It reports whether something is waiting to
// be sent or was sent.
func (p *proxy) send(typ translate.Type, add bool, now func() time.Time) bool {
	t := &p.types[typ]
	additions, removals := p.pending(typ)
	changes := removals
	if add {
		changes = p.withAsked(typ, additions)
	}
	// Envoy waits at its start until the first request for all of a type is answered, be it with nothing.
	greet := add && t.wildcard && !t.answered
	if len(changes) == 0 && len(t.refresh) == 0 && len(t.asked) == 0 && !greet {
		return false
	}
	if !add && !t.wildcard {
		// A proxy forgets resources that it asked for by name when it unsubscribes.
		for _, c := range changes {
			t.held[c.layer] = t.held[c.layer].Delete(c.name)
		}
		return false
	}
	if t.watch == nil {
		return true
	}
	for _, c := range changes {
		if c.new == nil {
			t.held[c.layer] = t.held[c.layer].Delete(c.name)
		} else {
			t.held[c.layer] = t.held[c.layer].Set(c.name, c.new)
		}
	}
	if typ == translate.Cluster {
		p.repeatEndpoints(changes)
	}
	var renewed []*translate.Resource
	if add {
		for _, name := range t.refresh {
			if r := p.view.Get(typ, name); r != nil && !slices.ContainsFunc(changes, func(c sentChange) bool { return c.name == name }) {
				renewed = append(renewed, r)
			}
		}
		t.refresh = nil
		t.asked = nil
	}
	if len(changes)+len(renewed) == 0 && !greet {
		p.settle(typ, add)
		return false
	}
	t.answered = true
	message := p.stream.send(t, typ, versionText(p.target), changes, renewed)
	p.settle(typ, add)
	t.flights = append(t.flights, &flight{target: p.target, message: message, changes: changes, sentAt: now()})
	t.watch = nil
	return true
}

// settle takes the whole view as held by a proxy that asks by name: names that it did not ask for need no second look.
func (p *proxy) settle(typ translate.Type, add bool) {
	if t := &p.types[typ]; add && !t.wildcard && len(t.rejected) == 0 {
		t.held = layers(p.view, typ)
	}
}

// repeatEndpoints sends the endpoints of changed clusters once more: a changed cluster warms until it has them, and the
// proxy does not ask again for a name to which it is subscribed already.
func (p *proxy) repeatEndpoints(changes []sentChange) {
	e := &p.types[translate.Endpoint]
	for _, c := range changes {
		if c.old != nil && c.new != nil && e.names[c.name] && !slices.Contains(e.asked, c.name) {
			e.asked = append(e.asked, c.name)
		}
	}
}

// withAsked adds names that the proxy asked for and that are not among the changes: it may have dropped them since.
func (p *proxy) withAsked(typ translate.Type, changes []sentChange) []sentChange {
	t := &p.types[typ]
	changed := make(map[string]bool, len(changes))
	for _, c := range changes {
		changed[c.name] = true
	}
	for _, name := range t.asked {
		if changed[name] {
			continue
		}
		for layer, table := range layers(p.view, typ) {
			if r := table.At(name); r != nil && t.rejected[name] != r {
				changes = append(changes, sentChange{layer: layer, name: name, old: r, new: r})
			}
		}
	}
	return changes
}

// leaseTTL is how long an armed runtime layer lives without a heartbeat.
const leaseTTL = 3 * time.Second

// ttl gives armed runtime layers their time to live. Others live on.
func ttl(r *translate.Resource) *durationpb.Duration {
	if layer, ok := r.Message.(*runtimev3.Runtime); ok && len(layer.GetLayer().GetFields()) > 0 {
		return durationpb.New(leaseTTL)
	}
	return nil
}

// answered takes a proxy's ACK or NACK of a response, and gives that response, or nil for one that is not known.
func (p *proxy) answered(typ translate.Type, req answer) *flight {
	t := &p.types[typ]
	i := slices.IndexFunc(t.flights, func(f *flight) bool { return f.nonce == req.GetResponseNonce() })
	if i < 0 {
		return nil
	}
	f := t.flights[i]
	t.flights = slices.Delete(t.flights, i, i+1)
	if req.GetErrorDetail() == nil {
		for _, c := range f.changes {
			delete(t.rejected, c.name)
		}
		return f
	}
	if t.rejected == nil {
		t.rejected = map[string]*translate.Resource{}
	}
	for _, c := range f.changes {
		if c.new == nil || t.held[c.layer].At(c.name) != c.new {
			continue
		}
		t.rejected[c.name] = c.new
		t.restore(c)
	}
	// A late refusal of an earlier target says nothing about the present one.
	if f.target == p.target {
		p.rejections = append(p.rejections, rejection(p.id, typ, f, req.GetErrorDetail().GetMessage()))
	}
	return f
}
