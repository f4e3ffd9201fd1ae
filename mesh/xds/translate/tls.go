package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"github.com/squallmesh/squall/mesh/model"
)

// systemCA is where Debian and its kin keep the certificates that clients trust.
const systemCA = "/etc/ssl/certs/ca-certificates.crt"

// applyTLS makes calls to a cluster TLS as a rule says; those between workloads are mtls.go's.
func applyTLS(c *clusterv3.Cluster, t *model.ClientTLS, host string) {
	if t == nil || t.Mode == model.TLSDisable || t.Mode == model.TLSIstio {
		return
	}
	sni := t.SNI
	if sni == "" {
		sni = host
	}
	if t.Credential != "" {
		c.TransportSocket = tlsSocket(&tlsv3.UpstreamTlsContext{CommonTlsContext: credentialTLS(t), Sni: sni})
		return
	}
	ca := t.CACertificates
	if ca == "" {
		ca = systemCA
	}
	validation := &tlsv3.CertificateValidationContext{}
	if !t.InsecureSkipVerify {
		validation.TrustedCa = fileSource(ca)
		for _, san := range t.SubjectAltNames {
			validation.MatchTypedSubjectAltNames = append(validation.MatchTypedSubjectAltNames, &tlsv3.SubjectAltNameMatcher{
				SanType: tlsv3.SubjectAltNameMatcher_DNS,
				Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: san}},
			})
		}
	}
	common := &tlsv3.CommonTlsContext{
		ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: validation},
	}
	if t.Mode == model.TLSMutual {
		common.TlsCertificates = []*tlsv3.TlsCertificate{{
			CertificateChain: fileSource(t.ClientCertificate),
			PrivateKey:       fileSource(t.PrivateKey),
		}}
	}
	c.TransportSocket = tlsSocket(&tlsv3.UpstreamTlsContext{CommonTlsContext: common, Sni: sni})
}

// credentialTLS takes certificate and authorities from a Secret.
func credentialTLS(t *model.ClientTLS) *tlsv3.CommonTlsContext {
	out := &tlsv3.CommonTlsContext{}
	if !t.InsecureSkipVerify {
		out.ValidationContextType = authoritiesOf(t.Credential, dnsNames(t.SubjectAltNames))
	}
	if t.Mode == model.TLSMutual {
		out.TlsCertificateSdsSecretConfigs = certificateOf(t.Credential)
	}
	return out
}

// tlsSocket wraps an UpstreamTlsContext or a DownstreamTlsContext.
func tlsSocket(context proto.Message) *corev3.TransportSocket {
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(context)},
	}
}

func fileSource(path string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: path}}
}
