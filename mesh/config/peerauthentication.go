package config

import (
	"fmt"
	"maps"
	"slices"

	security "istio.io/api/security/v1beta1"

	"github.com/squallmesh/squall/mesh/model"
)

func (b *build) peerAuthentication(doc *Document) *model.PeerAuthentication {
	in := doc.message.(*security.PeerAuthentication)
	r := b.reporter(doc)
	out := &model.PeerAuthentication{
		Name: doc.Name, Namespace: doc.Namespace, Selector: copyLabels(in.Selector.GetMatchLabels()), Mode: mtlsMode(in.Mtls), Pos: doc.Pos,
	}
	if len(in.PortLevelMtls) > 0 && len(out.Selector) == 0 {
		r.errorf("BAD-VALUE", "spec.portLevelMtls", "portLevelMtls needs a selector: ports are those of a workload")
		r.hint("add spec.selector.matchLabels")
	}
	if len(out.Selector) > 0 && doc.Namespace == b.snap.Mesh.RootNamespace {
		r.errorf("WRONG-NAMESPACE", "spec.selector", "a PeerAuthentication with a selector has no effect in the root namespace %q", doc.Namespace)
		r.hint("put it into the namespace of the workloads")
	}
	for _, port := range slices.Sorted(maps.Keys(in.PortLevelMtls)) {
		path := fmt.Sprintf("spec.portLevelMtls.%d", port)
		r.port(port, path)
		out.Ports = append(out.Ports, model.PortMTLS{Port: port, Mode: mtlsMode(in.PortLevelMtls[port]), Pos: r.pos(path)})
	}
	return out
}

func mtlsMode(in *security.PeerAuthentication_MutualTLS) model.MTLSMode {
	if m := in.GetMode(); m != security.PeerAuthentication_MutualTLS_UNSET {
		return model.MTLSMode(m.String())
	}
	return model.MTLSUnset
}

// peerAuthentications converts the rules, of which two may not be for the same: Istio takes the older one, and files have no age.
func (b *build) peerAuthentications() {
	want := map[string]*model.PeerAuthentication{}
	scopes := map[string]*model.PeerAuthentication{}
	for _, doc := range b.set.ofKind(kindPeerAuthentication) {
		b.of(doc, func() {
			p := b.peerAuthentication(doc)
			want[p.Key()] = p
			scope := fmt.Sprint(p.Namespace, p.Selector) // a map prints in order
			if other := scopes[scope]; other != nil {
				r := b.reporter(doc)
				r.errorf("DUPLICATE-SELECTOR", "spec.selector", "the PeerAuthentication %s (%s) is for the same workloads", other.Name, other.Pos)
				r.hint("keep one of the two")
			}
			scopes[scope] = p
		})
	}
	b.snap = settleRules(b.snap, b.snap.PeerAuthentications, want, model.Snapshot.WithPeerAuthentication, model.Snapshot.WithoutPeerAuthentication)
}
