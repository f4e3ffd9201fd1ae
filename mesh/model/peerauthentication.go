package model

import "github.com/squallmesh/squall/mesh/diag"

// MTLSMode is which connections a sidecar takes for its workload.
type MTLSMode string

// The modes: mTLS alone, both, or plain text alone. Empty takes the next wider rule's, and PERMISSIVE where no rule says one.
const (
	MTLSUnset      MTLSMode = ""
	MTLSStrict     MTLSMode = "STRICT"
	MTLSPermissive MTLSMode = "PERMISSIVE"
	MTLSDisable    MTLSMode = "DISABLE"
)

// PeerAuthentication says which connections sidecars take.
type PeerAuthentication struct {
	Name, Namespace string
	// Selector picks workloads of the namespace; empty is all of them, or of the mesh in the root namespace.
	Selector map[string]string
	Mode     MTLSMode
	// Ports override the mode for ports of the workload, sorted by number.
	Ports []PortMTLS
	Pos   diag.Pos
}

// Key is namespace/name.
func (p *PeerAuthentication) Key() string { return p.Namespace + "/" + p.Name }

// PortMTLS is the mode of one port on which a workload listens.
type PortMTLS struct {
	Port uint32
	Mode MTLSMode
	Pos  diag.Pos
}

// MTLS is what a workload's sidecar takes: the mode, the ports that have another, and the rules that say so.
type MTLS struct {
	Mode  MTLSMode
	Ports map[uint32]MTLSMode
	Rules []*PeerAuthentication
}

// Port gives the mode of one port.
func (m MTLS) Port(port uint32) MTLSMode {
	if mode, ok := m.Ports[port]; ok {
		return mode
	}
	return m.Mode
}

// WithPeerAuthentication gives the snapshot with the rule added, or replaced by its key.
func (s Snapshot) WithPeerAuthentication(p *PeerAuthentication) Snapshot {
	s = s.WithoutPeerAuthentication(p.Key())
	s.PeerAuthentications = s.PeerAuthentications.Set(p.Key(), p)
	s.peers = addRule(s.peers, p.Namespace, p)
	return s
}

// WithoutPeerAuthentication gives the snapshot without the rule.
func (s Snapshot) WithoutPeerAuthentication(key string) Snapshot {
	if p := s.PeerAuthentications.At(key); p != nil {
		s.PeerAuthentications = s.PeerAuthentications.Delete(key)
		s.peers = dropRule(s.peers, p.Namespace, p)
	}
	return s
}

// MTLS gives what the sidecar of a workload takes: the rule that selects it over its namespace's over the mesh's. Of several of equal rank
// the first by name counts; the reader of rules refuses those. Source: Istio's ComposePeerAuthentication.
func (s Snapshot) MTLS(namespace string, labels map[string]string) MTLS {
	out := MTLS{Mode: MTLSPermissive}
	if s.Mesh == nil {
		return out
	}
	take := func(p *PeerAuthentication) {
		if p == nil {
			return
		}
		out.Rules = append(out.Rules, p)
		if p.Mode != MTLSUnset {
			out.Mode = p.Mode
		}
	}
	everything := func(p *PeerAuthentication) bool { return len(p.Selector) == 0 }
	take(s.peerRule(s.Mesh.RootNamespace, everything))
	if namespace != s.Mesh.RootNamespace {
		take(s.peerRule(namespace, everything))
	}
	own := s.peerRule(namespace, func(p *PeerAuthentication) bool { return len(p.Selector) > 0 && Labels(labels, p.Selector) })
	take(own)
	if own == nil {
		return out
	}
	out.Ports = map[uint32]MTLSMode{}
	for _, p := range own.Ports {
		if p.Mode != MTLSUnset {
			out.Ports[p.Port] = p.Mode
		}
	}
	return out
}

// peerRule is the first rule of a namespace that fits.
func (s Snapshot) peerRule(namespace string, fits func(*PeerAuthentication) bool) *PeerAuthentication {
	if list := s.peers.At(namespace); list != nil {
		for _, p := range list.rules {
			if fits(p) {
				return p
			}
		}
	}
	return nil
}
