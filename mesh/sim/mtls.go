package sim

import (
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// forwardedCertificate is the header in which sidecars tell their apps who calls.
const forwardedCertificate = "x-forwarded-client-cert"

// clientCertificate gives that header for a caller with an identity; the hash of its certificate is left out.
func (p *proxy) clientCertificate(peer string) []model.Header {
	if peer == "" {
		return nil
	}
	return []model.Header{{Name: forwardedCertificate, Value: "By=" + p.identity + `;Subject="";URI=` + peer}}
}

// identified reports whether workloads have identities.
func (m *Mesh) identified() bool { return m.snap.Trust != nil }

// identify gives a proxy its identity, and what connections it takes. Connections that it would take no more end: those that nobody uses at
// once, the others when their answers have come, as those of a listener's chain that is gone.
func (p *proxy) identify() {
	m, w := p.mesh, p.workload
	p.identity = ""
	if !m.identified() {
		return
	}
	p.identity = model.IdentityOf(m.snap.Mesh.TrustDomain, w.Namespace, w.ServiceAccount)
	old := p.peers
	p.peers = m.snap.MTLS(w.Namespace, w.Labels)
	if old.Mode == p.peers.Mode && samePorts(old.Ports, p.peers.Ports) {
		return
	}
	for _, x := range m.conns.all {
		if x.refs < 0 || x.closed || x.host == nil || x.host.target != p || p.takes(x.mutual, x.host.port) {
			continue
		}
		x.retire()
	}
}

func samePorts(a, b map[uint32]model.MTLSMode) bool {
	if len(a) != len(b) {
		return false
	}
	for port, mode := range a {
		if b[port] != mode {
			return false
		}
	}
	return true
}

// takes tells whether a sidecar has a use for connections of a kind at a port of its app.
func (p *proxy) takes(mutual bool, port uint32) bool {
	if p.kind != model.Sidecar || !p.mesh.identified() {
		return true
	}
	switch p.peers.Port(port) {
	case model.MTLSStrict:
		return mutual
	case model.MTLSDisable:
		return !mutual
	case model.MTLSUnset, model.MTLSPermissive:
	}
	return true
}

// mutual tells whether a cluster makes connections to a host mTLS: always where a rule says so; where none says anything, to those that take
// it (Istio's auto mTLS).
func (h *host) mutual() bool {
	c := h.cluster
	if h.target == nil || !c.mesh.identified() {
		return false
	}
	if t := c.policy.TLS; t != nil {
		return t.Mode == model.TLSIstio
	}
	svc := c.mesh.snap.Services.At(c.at.host)
	return svc != nil && !svc.External && h.target.kind == model.Sidecar && h.target.peers.Port(h.port) != model.MTLSDisable
}

// trusts tells whether the identity of a host is one that its callers expect.
func (h *host) trusts() bool {
	c := h.cluster
	names := []string(nil)
	if ids := c.mesh.snap.Identities.At(c.at.host); ids != nil {
		names = ids.List
	}
	if t := c.policy.TLS; t != nil && len(t.SubjectAltNames) > 0 {
		names = t.SubjectAltNames
	}
	if len(names) == 0 {
		return strings.HasPrefix(h.target.identity, "spiffe://"+c.mesh.snap.Mesh.TrustDomain+"/")
	}
	return slices.Contains(names, h.target.identity)
}
