package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// credentialScheme begins the names of what comes from Kubernetes' Secrets, and authoritySuffix ends those of the authorities in them (Istio's).
const (
	credentialScheme = "kubernetes://" //nolint:gosec // the beginning of a name
	authoritySuffix  = "-cacert"
)

// buildCredentials gives the Secrets of the proxies' namespace. A proxy asks by name for what its own listeners and clusters use, and
// gets no other.
func buildCredentials(r *reader) {
	r.note(partSecrets, r.scope.namespace)
	for _, name := range r.t.snap.CredentialNames(r.scope.namespace) {
		s := r.t.snap.Credential(r.scope.namespace, name)
		if s.Certificate != "" {
			at := credentialScheme + name
			r.from(s.Pos)
			r.add(Secret, at, &tlsv3.Secret{Name: at, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
				CertificateChain: inline(s.Certificate),
				PrivateKey:       &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: s.Key}},
			}}})
		}
		if s.CA != "" {
			at := credentialScheme + name + authoritySuffix
			r.from(s.Pos)
			validation := &tlsv3.CertificateValidationContext{TrustedCa: inline(s.CA)}
			if s.CRL != "" {
				validation.Crl, validation.OnlyVerifyLeafCertCrl = inline(s.CRL), true
			}
			r.add(Secret, at, &tlsv3.Secret{Name: at, Type: &tlsv3.Secret_ValidationContext{ValidationContext: validation}})
		}
	}
}

// certificateOf and authoritiesOf are where a proxy gets a credential.
func certificateOf(credential string) []*tlsv3.SdsSecretConfig {
	return []*tlsv3.SdsSecretConfig{{Name: credentialScheme + credential, SdsConfig: ads()}}
}

func authoritiesOf(credential string, names []*tlsv3.SubjectAltNameMatcher) *tlsv3.CommonTlsContext_CombinedValidationContext {
	return &tlsv3.CommonTlsContext_CombinedValidationContext{
		CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
			DefaultValidationContext:         &tlsv3.CertificateValidationContext{MatchTypedSubjectAltNames: names},
			ValidationContextSdsSecretConfig: &tlsv3.SdsSecretConfig{Name: credentialScheme + credential + authoritySuffix, SdsConfig: ads()},
		},
	}
}
