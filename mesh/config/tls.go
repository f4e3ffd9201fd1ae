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
		for _, f := range []struct{ name, value string }{{"clientCertificate", in.ClientCertificate}, {"privateKey", in.PrivateKey}} {
			if f.value != "" {
				r.errorf("BAD-VALUE", path+"."+f.name, "mode %s takes no %s", out.Mode, f.name)
				r.hint("say mode: MUTUAL, or delete it")
			}
		}
	}
	return out
}
