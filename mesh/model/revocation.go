package model

import (
	"slices"

	"github.com/squallmesh/squall/mesh/diag"
)

// Revocation says whose identities the mesh does not believe any more.
type Revocation struct {
	Name, Namespace string
	// Identities are SPIFFE ids, sorted.
	Identities []string
	Pos        diag.Pos
}

// Key is namespace/name.
func (r *Revocation) Key() string { return r.Namespace + "/" + r.Name }

// Revoked are the identities of all Revocations, sorted.
func (s Snapshot) Revoked() []string {
	var out []string
	for _, r := range s.Revocations.All() {
		out = append(out, r.Identities...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// DenialOf names the policy that refuses what a Revocation is about, which no file can name.
func DenialOf(r *Revocation) string { return "revocation " + r.Key() }

// WithDenials gives the snapshot with the policies of another's Revocations.
func (s Snapshot) WithDenials(of Snapshot) Snapshot {
	for _, r := range of.Revocations.All() {
		if p := of.AuthorizationPolicies.At(of.Mesh.RootNamespace + "/" + DenialOf(r)); p != nil && s.AuthorizationPolicies.At(p.Key()) != p {
			s = s.WithAuthorizationPolicy(p)
		}
	}
	return s
}
