package sim

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/authz"
	"github.com/squallmesh/squall/mesh/policy/jwt"
)

// passage is what the filters before the routes make of a message from a caller: those of tokens, then those of authorization.
type passage struct {
	// message that goes on.
	message messageID
	// refused is the answer, with its details; NoAnswer lets the message pass.
	refused AnswerID
	details string
	counts  rbacStats
}

type passageKey struct {
	message messageID
	// peer is the identity that the caller has shown.
	peer string
	port uint32
}

// rbacStats are what the filters of authorization count at one connection manager.
type rbacStats struct {
	allowed, denied uint64
	// shadow are those of policies on trial, by the action: allowed, denied.
	shadow [len(rbacActions)][2]uint64
}

// rbacActions are the filters of authorization, in their order.
var rbacActions = [...]model.AuthorizationAction{model.Audit, model.Deny, model.Allow}

func (r *rbacStats) add(o *rbacStats) {
	r.allowed += o.allowed
	r.denied += o.denied
	for i := range o.shadow {
		r.shadow[i][0] += o.shadow[i][0]
		r.shadow[i][1] += o.shadow[i][1]
	}
}

// guard reads the rules by which a proxy refuses requests.
func (p *proxy) guard() {
	snap, w := &p.mesh.snap, p.workload
	p.policies, p.tokens = snap.Authorizations(w.Namespace, w.Labels), nil
	for _, a := range snap.Tokens(w.Namespace, w.Labels) {
		p.tokens = append(p.tokens, a.Rules...)
	}
}

// admit holds a stream against the rules of its proxy. It reports false where it has answered.
func (m *Mesh) admit(s *stream) bool {
	p := s.proxy
	if !s.inbound && p.kind != model.Router || len(p.policies) == 0 && len(p.tokens) == 0 && !s.mutual {
		return true
	}
	key := passageKey{s.message, s.caller(), s.local16()}
	x := p.passages.get(key)
	if x == nil {
		x = p.pass(key, s.inbound)
		p.passages.put(key, x)
	}
	if len(p.policies) > 0 {
		s.rbac().add(&x.counts)
	}
	if x.refused != NoAnswer {
		s.resolved = p.routeOf(s) // which the log names
		if r := s.resolved; r != nil && len(r.choices) > 0 {
			s.choice = r.choose(p)
		}
		m.localReply(s, x.refused, x.details)
		return false
	}
	s.message, s.sent = x.message, x.message
	return true
}

// caller is the identity that the other side of a stream's connection has shown, or "".
func (s *stream) caller() string {
	if s.mutual && s.parent != nil {
		return s.parent.proxy.identity
	}
	return ""
}

// local16 is the port at which a stream came.
func (s *stream) local16() uint32 {
	if s.inbound || s.tcp {
		return s.port
	}
	return GatewayPort
}

// rbac are the counters of the connection manager that took a stream.
func (s *stream) rbac() *rbacStats {
	p := s.proxy
	if p.rbac == nil {
		p.rbac = map[uint32]*rbacStats{}
	}
	port := uint32(outboundManager)
	if s.inbound {
		port = s.port
	}
	if p.rbac[port] == nil {
		p.rbac[port] = &rbacStats{}
	}
	return p.rbac[port]
}

// outboundManager stands for the port of the connection manager that is not for inbound requests.
const outboundManager = 0

// pass finds what becomes of a message, once for each and each caller.
func (p *proxy) pass(key passageKey, inbound bool) *passage {
	m := p.mesh
	x := *m.message(key.message)
	if inbound {
		x.Headers = slices.Clone(x.Headers)
		x.Headers = setHeaders(x.Headers, p.clientCertificate(key.peer), nil, []string{forwardedCertificate})
	}
	checked := jwt.Check(p.tokens, x.Request, m.opts.Today)
	if checked.Status != 0 {
		return &passage{
			refused: m.answers.of(Answer{Status: checked.Status, Body: checked.Reason, Headers: []model.Header{
				{Name: "content-type", Value: "text/plain"}, {Name: "www-authenticate", Value: challenge(&x)},
			}}),
			details: "jwt_authn_access_denied{" + underscored(checked.Reason) + "}",
		}
	}
	x.Request, x.Claims = checked.Request, checked.Claims
	x.Headers = sortHeaders(x.Headers)
	out := &passage{}
	if by, allowed := out.counts.decide(p.policies, p.authzRequest(&x, key)); !allowed {
		out.refused, out.details = m.localAnswer(403, "RBAC: access denied"), "rbac_access_denied_matched_policy["+by+"]"
		return out
	}
	if p.kind == model.Sidecar {
		x.Claims = nil // nobody behind here asks
	}
	out.message = m.messages.of(x)
	return out
}

// decide asks the filters of authorization one after the other, as the pure evaluator decides for each, and counts.
func (r *rbacStats) decide(policies []*model.AuthorizationPolicy, x authz.Request) (by string, allowed bool) {
	for i, action := range rbacActions {
		var own []*model.AuthorizationPolicy
		enforced := false
		for _, one := range policies {
			if one.Action == action {
				own = append(own, one)
				enforced = enforced || !one.DryRun
			}
		}
		d := authz.Decide(own, x)
		if t := d.DryRun; t != nil {
			r.shadow[i][side(t.Allowed)]++
		}
		switch {
		case !enforced:
		case d.Allowed:
			r.allowed++
		default:
			r.denied++
			if d.By != nil {
				return d.By.String(), false
			}
			return "none", false
		}
	}
	return "", true
}

func side(allowed bool) int {
	if allowed {
		return 0
	}
	return 1
}

func (p *proxy) authzRequest(x *Message, key passageKey) authz.Request {
	out := authz.Request{
		Principal: key.peer, DestinationPort: key.port, Method: x.Method, Host: x.Authority, Path: x.Path,
		Header: map[string][]string{}, Claims: x.Claims,
	}
	out.DestinationIP, _ = netip.ParseAddr(p.workload.Address)
	for _, h := range x.Headers {
		out.Header[h.Name] = append(out.Header[h.Name], h.Value)
	}
	return out
}

// admitTCP holds a connection against the rules of its proxy.
func (m *Mesh) admitTCP(s *stream) bool {
	p := s.proxy
	if len(p.policies) == 0 || !s.inbound {
		return true
	}
	x := authz.Request{Principal: s.caller(), DestinationPort: s.port, TCP: true}
	x.DestinationIP, _ = netip.ParseAddr(p.workload.Address)
	var counts rbacStats
	_, allowed := counts.decide(p.policies, x)
	return allowed
}

// challenge is what Envoy asks for with a refusal of a token.
func challenge(x *Message) string {
	uri := x.Scheme + "://" + x.Authority + x.Path
	return `Bearer realm="` + uri[:min(len(uri), 256)] + `", error="invalid_token"`
}

func underscored(text string) string {
	out := []byte(text)
	for i := range out {
		if out[i] == ' ' {
			out[i] = '_'
		}
	}
	return string(out)
}

// writeRBAC adds the counters of authorization under Envoy's names.
func (p *proxy) writeRBAC(out map[string]uint64) {
	for port, r := range p.rbac {
		name := p.outboundPrefix()
		if port != outboundManager {
			name = fmt.Sprintf("inbound_0.0.0.0_%d", port)
		}
		at := "http." + name + ";.rbac."
		out[at+"allowed"], out[at+"denied"] = r.allowed, r.denied
		for i, prefix := range dryRunPrefixes {
			out[at+prefix+"shadow_allowed"], out[at+prefix+"shadow_denied"] = r.shadow[i][0], r.shadow[i][1]
		}
	}
}

// dryRunPrefixes begin the counters of policies on trial, by the action (Istio's).
var dryRunPrefixes = [len(rbacActions)]string{"istio_dry_run_audit_.", "istio_dry_run_deny_.", "istio_dry_run_allow_."}
