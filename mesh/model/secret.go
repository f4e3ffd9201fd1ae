package model

import (
	"fmt"
	"strings"

	"github.com/squallmesh/squall/mesh/diag"
)

// PrivateBytes are a private key or the like. Whatever prints them prints that something stands here, and nothing of it.
type PrivateBytes []byte

const redacted = "[redacted]"

// Format keeps them out of what the package fmt writes, logs among it.
func (PrivateBytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText keeps them out of JSON and YAML.
func (PrivateBytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Secret is a credential for TLS: a Kubernetes Secret of the type kubernetes.io/tls, or a generic one with the same fields.
type Secret struct {
	Name, Namespace string
	// Certificate with the chain above it, and its Key, in PEM; both or neither are set.
	Certificate string
	Key         PrivateBytes
	// CA are the certificates of authorities that peers must lead to, in PEM. CRL lists what those revoked, in PEM; empty without.
	CA, CRL string
	Pos     diag.Pos
}

// ID is namespace/name.
func (s *Secret) ID() string { return s.Namespace + "/" + s.Name }

// caSuffix ends the name of a Secret that holds the authorities for another one (Istio's).
const caSuffix = "-cacert"

// Credential finds what a proxy of a namespace has under a credential's name, the authorities of NAME-cacert put in; nil where there is none.
func (s Snapshot) Credential(namespace, name string) *Secret {
	own, ca := s.Secrets.At(namespace+"/"+name), s.Secrets.At(namespace+"/"+name+caSuffix)
	if ca == nil || ca.CA == "" {
		return own
	}
	out := &Secret{Name: name, Namespace: namespace, Pos: ca.Pos}
	if own != nil {
		*out = *own
	}
	out.CA, out.CRL = ca.CA, ca.CRL
	return out
}

// CredentialNames lists the names under which the proxies of a namespace have credentials, sorted.
func (s Snapshot) CredentialNames(namespace string) []string {
	var out []string
	for _, secret := range s.Secrets.All() {
		if secret.Namespace != namespace {
			continue
		}
		name := strings.TrimSuffix(secret.Name, caSuffix)
		if name != secret.Name && s.Secrets.At(namespace+"/"+name) != nil {
			continue // it has a place of its own in the order
		}
		out = append(out, name)
	}
	return out
}
