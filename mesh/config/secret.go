package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"slices"

	core "k8s.io/api/core/v1"

	"github.com/squallmesh/squall/mesh/model"
)

// Fields of Secrets, by the names that Kubernetes and, for generic ones, Istio give them.
const (
	caField  = "ca.crt"
	crlField = "ca.crl"
)

// secret converts a Secret for TLS; any other gives nil, with a word about it.
func (b *build) secret(doc *Document) *model.Secret {
	in := doc.object.(*core.Secret)
	r := b.reporter(doc)
	data := map[string][]byte{}
	for _, f := range []struct{ name, field string }{
		{core.TLSCertKey, core.TLSCertKey},
		{core.TLSPrivateKeyKey, core.TLSPrivateKeyKey},
		{caField, caField},
		{crlField, crlField},
		{"cert", core.TLSCertKey},
		{"key", core.TLSPrivateKeyKey},
		{"cacert", caField},
		{"crl", crlField},
	} {
		v := in.Data[f.name]
		if s, ok := in.StringData[f.name]; ok { // Kubernetes lets it win
			v = []byte(s)
		}
		if len(v) > 0 && data[f.field] == nil {
			data[f.field] = v
		}
	}
	cert, key, ca, crl := data[core.TLSCertKey], data[core.TLSPrivateKeyKey], data[caField], data[crlField]
	if len(cert)+len(key)+len(ca) == 0 && in.Type != core.SecretTypeTLS {
		r.warnf("IGNORED-KIND", "kind", "a Secret without a certificate, a key or authorities has no effect in this lab")
		return nil
	}
	out := &model.Secret{
		Name: doc.Name, Namespace: doc.Namespace, Certificate: string(cert), Key: key, CA: string(ca), CRL: string(crl), Pos: doc.Pos,
	}
	r.keyPair(cert, key, in.Type == core.SecretTypeTLS)
	if len(ca) > 0 && !x509.NewCertPool().AppendCertsFromPEM(ca) {
		r.errorf("BAD-CERTIFICATE", "data", "%s holds no certificate in PEM", caField)
	}
	if len(crl) > 0 {
		block, _ := pem.Decode(crl)
		if block == nil || block.Type != "X509 CRL" {
			r.errorf("BAD-CERTIFICATE", "data", "%s holds no list of revoked certificates in PEM", crlField)
		} else if len(ca) == 0 {
			r.errorf("BAD-CERTIFICATE", "data", "%s needs the authorities whose list it is: %s", crlField, caField)
		}
	}
	return out
}

// keyPair reports a certificate and a key that do not belong together, and nothing of what they hold.
func (r reporter) keyPair(cert, key []byte, required bool) {
	if r.doc.damaged("data") || r.doc.damaged("stringData") {
		return
	}
	if len(cert)+len(key) == 0 && !required {
		return
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{core.TLSCertKey, cert}, {core.TLSPrivateKeyKey, key}} {
		if len(f.data) == 0 {
			r.missing("data", "the Secret has no %s", f.name)
			return
		}
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		r.errorf("BAD-CERTIFICATE", "data", "certificate and key cannot be used: %v", err)
	}
}

func (b *build) secrets() {
	want := map[string]*model.Secret{}
	for _, doc := range b.set.ofKind(kindSecret) {
		b.of(doc, func() {
			if s := b.secret(doc); s != nil {
				want[s.ID()] = s
			}
		})
	}
	b.snap.Secrets = settle(b.snap.Secrets, want)
}

// credential checks that a credential is there for the proxies that need it: in the namespaces of the workloads, or anywhere while none are
// known. What it must hold is a certificate with its key, authorities, or both.
func (b *build) credential(r reporter, name, path string, workloads []*model.Workload, pair, ca bool) {
	if name == "" {
		r.missing(path, "which Secret? the mode needs a credentialName")
		return
	}
	var namespaces []string
	for _, w := range workloads {
		namespaces = append(namespaces, w.Namespace)
	}
	if len(workloads) == 0 {
		for _, s := range b.snap.Secrets.All() {
			namespaces = append(namespaces, s.Namespace)
		}
	}
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)
	for _, ns := range namespaces {
		s := b.snap.Credential(ns, name)
		switch {
		case s == nil && len(workloads) > 0:
			b.noSecret(r, name, path, ns)
			return
		case s == nil:
			continue
		case pair && s.Certificate == "":
			r.errorf("BAD-CREDENTIAL", path, "the Secret %s (%s) has no certificate and key", name, s.Pos)
		case ca && s.CA == "":
			r.errorf("BAD-CREDENTIAL", path, "the Secret %s (%s) names no authorities", name, s.Pos)
			r.hint("add %s to it, or a Secret %s-cacert", caField, name)
		}
		return
	}
	b.noSecret(r, name, path, "")
}

func (b *build) noSecret(r reporter, name, path, namespace string) {
	var names []string
	for _, s := range b.snap.Secrets.All() {
		if s.Name == name {
			r.errorf("UNKNOWN-SECRET", path, "the Secret %q is in namespace %s, and the proxy that needs it in %s", name, s.Namespace, cmp.Or(namespace, "another"))
			r.hint("a proxy reads the Secrets of its own namespace alone")
			return
		}
		names = append(names, s.Name)
	}
	where := ""
	if namespace != "" {
		where = " in namespace " + namespace
	}
	r.errorf("UNKNOWN-SECRET", path, "there is no Secret %q%s", shorten(name), where)
	if near := nearest(name, names); near != "" {
		r.hint("did you mean %s?", near)
	} else {
		r.hint("kubectl create secret tls NAME --cert FILE --key FILE --dry-run=client -o yaml writes one")
	}
}

// Secrets gives the credentials of documents by namespace/name; findings are left to Build.
func Secrets(s Set) model.Map[*model.Secret] {
	b := newBuild(s, model.Snapshot{})
	b.secrets()
	return b.snap.Secrets
}
