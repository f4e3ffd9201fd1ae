package config

import (
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

func (r reporter) clientTLS(in *networking.ClientTLSSettings, path string) *model.ClientTLS {
	if in == nil {
		return nil
	}
	out := &model.ClientTLS{
		Mode: model.TLSMode(in.Mode.String()), SNI: in.Sni, CACertificates: in.CaCertificates,
		ClientCertificate: in.ClientCertificate, PrivateKey: in.PrivateKey,
		SubjectAltNames: slices.Clone(in.SubjectAltNames), InsecureSkipVerify: in.InsecureSkipVerify.GetValue(), Pos: r.pos(path),
		Credential: in.CredentialName,
	}
	files := []struct{ name, value string }{
		{"clientCertificate", in.ClientCertificate},
		{"privateKey", in.PrivateKey},
		{"caCertificates", in.CaCertificates},
	}
	if in.CredentialName != "" {
		for _, f := range files {
			if f.value != "" {
				r.errorf("EXCLUSIVE-FIELDS", path+"."+f.name, `"credentialName" and %q exclude one another`, f.name)
			}
		}
		if out.Mode == model.TLSIstio || out.Mode == model.TLSDisable {
			r.errorf("BAD-VALUE", path+".credentialName", "mode %s takes no credentialName", out.Mode)
			r.hint("say mode: SIMPLE or MUTUAL, or delete it")
		} else if r.build != nil {
			r.build.credential(r, in.CredentialName, path+".credentialName", nil, out.Mode == model.TLSMutual, !out.InsecureSkipVerify)
		}
		return out
	}
	switch out.Mode {
	case model.TLSMutual:
		if in.ClientCertificate == "" {
			r.missing(path+".clientCertificate", "mode MUTUAL needs a clientCertificate")
		}
		if in.PrivateKey == "" {
			r.missing(path+".privateKey", "mode MUTUAL needs a privateKey")
		}
	case model.TLSIstio, model.TLSSimple, model.TLSDisable:
		for _, f := range files[:2] {
			if f.value != "" {
				r.errorf("BAD-VALUE", path+"."+f.name, "mode %s takes no %s", out.Mode, f.name)
				r.hint("say mode: MUTUAL, or delete it")
			}
		}
	}
	return out
}
