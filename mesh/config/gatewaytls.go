package config

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// serverTLS reads how a server takes TLS, and checks it against the server's protocol.
func (b *build) serverTLS(r reporter, out *model.Server, in *networking.Server, path string, selector map[string]string) {
	t := in.Tls
	path += ".tls"
	if !encrypted(out.Protocol) {
		if t != nil && (t.CredentialName != "" || t.Mode != networking.ServerTLSSettings_PASSTHROUGH) {
			r.errorf("BAD-VALUE", path, "a server of protocol %s takes no TLS", out.Protocol)
			r.hint("say protocol: HTTPS or TLS")
		}
		return
	}
	if t == nil {
		r.missing(path, "a server of protocol %s needs tls", out.Protocol)
		r.hint("tls: {mode: SIMPLE, credentialName: NAME}")
		return
	}
	if t.HttpsRedirect {
		r.errorf("BAD-VALUE", path+".httpsRedirect", "only plain HTTP is redirected to HTTPS")
	}
	out.TLS = &model.ServerTLS{
		Mode: model.ServerTLSMode(t.Mode.String()), Credential: t.CredentialName, SubjectAltNames: slices.Clone(t.SubjectAltNames),
		CipherSuites: slices.Clone(t.CipherSuites), MinVersion: protocolVersion(t.MinProtocolVersion), MaxVersion: protocolVersion(t.MaxProtocolVersion),
		Pos: r.pos(path),
	}
	if t.MinProtocolVersion != 0 && t.MaxProtocolVersion != 0 && t.MinProtocolVersion > t.MaxProtocolVersion {
		r.errorf("BAD-VALUE", path+".minProtocolVersion", "the least version (%s) is above the greatest (%s)", t.MinProtocolVersion, t.MaxProtocolVersion)
	}
	switch out.TLS.Mode {
	case model.ServerSimple, model.ServerMutual, model.ServerOptionalMutual:
		b.credential(r, t.CredentialName, path+".credentialName", b.picked(selector), true, out.TLS.AsksClient())
	case model.ServerPassthrough, model.ServerIstioMutual:
		if t.CredentialName != "" {
			r.errorf("BAD-VALUE", path+".credentialName", "mode %s takes no credentialName", out.TLS.Mode)
			r.hint("say mode: SIMPLE or MUTUAL, or delete it")
		}
	default:
		r.errorf("UNSUPPORTED-FIELD", path+".mode", "mode %s is not supported yet", out.TLS.Mode)
		r.hint("one of SIMPLE, MUTUAL, OPTIONAL_MUTUAL, PASSTHROUGH, ISTIO_MUTUAL")
	}
	if len(t.SubjectAltNames) > 0 && (out.TLS.Mode == model.ServerSimple || out.TLS.Mode == model.ServerPassthrough) {
		r.errorf("BAD-VALUE", path+".subjectAltNames", "mode %s asks clients for no certificate", out.TLS.Mode)
		r.hint("say mode: MUTUAL")
	}
	for i, h := range out.Hosts {
		if strings.HasPrefix(h.Host, "*") && h.Host != "*" && !strings.HasPrefix(h.Host, "*.") {
			r.errorf("BAD-HOST", at(strings.TrimSuffix(path, ".tls")+".hosts", i), "no name of TLS can be compared with %q", h.Host)
			r.hint("a whole part is left open: *.example.com")
		}
	}
}

func encrypted(p model.Protocol) bool { return p == model.HTTPS || p == model.TLS }

// protocolVersion gives "" for the default.
func protocolVersion(v networking.ServerTLSSettings_TLSProtocol) string {
	if v == networking.ServerTLSSettings_TLS_AUTO {
		return ""
	}
	return v.String()
}

// picked are the workloads that a gateway's selector fits, as far as they are known.
func (b *build) picked(selector map[string]string) []*model.Workload {
	var out []*model.Workload
	for _, w := range b.snap.Workloads.All() {
		if model.Labels(w.Labels, selector) {
			out = append(out, w)
		}
	}
	return out
}

// sharesPort reports what two servers of one port cannot both be.
func (r reporter) sharesPort(others []*model.Server, s *model.Server, path string) {
	for _, o := range others {
		if o.Port != s.Port || s.Port == 0 {
			continue
		}
		if encrypted(o.Protocol) != encrypted(s.Protocol) || !encrypted(o.Protocol) && o.Protocol.IsHTTP() != s.Protocol.IsHTTP() {
			r.errorf("PORT-CONFLICT", path+".port.protocol", "port %d is served as %s already (%s)", s.Port, o.Protocol, o.Pos)
			r.hint("give each a port of its own")
			return
		}
		for i, h := range s.Hosts {
			if s.TLS != nil && slices.ContainsFunc(o.Hosts, func(other model.GatewayHost) bool { return other.Host == h.Host }) {
				r.errorf("PORT-CONFLICT", at(path+".hosts", i), "TLS for %q on port %d is served already (%s)", h.Host, s.Port, o.Pos)
			}
		}
	}
}
