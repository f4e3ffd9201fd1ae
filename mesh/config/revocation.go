package config

import (
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// revocationDocument is a Revocation as people write it. Istio's API has nothing of the kind.
type revocationDocument struct {
	Spec struct {
		ServiceAccounts []string `json:"serviceAccounts"`
	} `json:"spec"`
}

func (b *build) revocation(doc *Document, accounts map[string]bool) *model.Revocation {
	in := &doc.object.(*revocationDocument).Spec
	r := b.reporter(doc)
	out := &model.Revocation{Name: doc.Name, Namespace: doc.Namespace, Pos: doc.Pos}
	if len(in.ServiceAccounts) == 0 {
		r.missing("spec.serviceAccounts", "a Revocation needs serviceAccounts")
	}
	for i, name := range in.ServiceAccounts {
		path := at("spec.serviceAccounts", i)
		r.accountName(name, path)
		namespace, account, found := strings.Cut(name, "/")
		if !found {
			namespace, account = doc.Namespace, name
		}
		if namespace != doc.Namespace && doc.Namespace != b.snap.Mesh.RootNamespace {
			r.errorf("BAD-VALUE", path, "a Revocation of %s is for service accounts of that namespace alone", doc.Namespace)
			r.hint("one in %s may name those of all namespaces", b.snap.Mesh.RootNamespace)
		}
		id := model.IdentityOf(b.snap.Mesh.TrustDomain, namespace, account)
		if len(accounts) > 0 && !accounts[id] {
			r.warnf("UNKNOWN-ACCOUNT", path, "no workload has the service account %s of %s", shorten(account), shorten(namespace))
		}
		out.Identities = append(out.Identities, id)
	}
	slices.Sort(out.Identities)
	out.Identities = slices.Compact(out.Identities)
	return out
}

// revocations reads them, and gives the workloads that are left.
func (b *build) revocations(workloads []*model.Workload) []*model.Workload {
	accounts := map[string]bool{}
	for _, w := range workloads {
		accounts[b.identityOf(w)] = true
	}
	want := map[string]*model.Revocation{}
	for _, doc := range b.set.ofKind(kindRevocation) {
		b.of(doc, func() {
			r := b.revocation(doc, accounts)
			want[r.Key()] = r
		})
	}
	b.snap.Revocations = settle(b.snap.Revocations, want)
	revoked := b.snap.Revoked()
	if len(revoked) == 0 {
		return workloads
	}
	return slices.DeleteFunc(slices.Clone(workloads), func(w *model.Workload) bool {
		_, gone := slices.BinarySearch(revoked, b.identityOf(w))
		return gone
	})
}

func (b *build) identityOf(w *model.Workload) string {
	return model.IdentityOf(b.snap.Mesh.TrustDomain, w.Namespace, w.ServiceAccount)
}

// denials are policies for the whole mesh that refuse what revoked identities ask for, also on connections that are open.
func (b *build) denials(into map[string]*model.AuthorizationPolicy) {
	for _, r := range b.snap.Revocations.All() {
		var principals []string
		for _, id := range r.Identities {
			principals = append(principals, strings.TrimPrefix(id, "spiffe://"))
		}
		p := &model.AuthorizationPolicy{
			Name: model.DenialOf(r), Namespace: b.snap.Mesh.RootNamespace, Action: model.Deny, Pos: r.Pos,
			Rules: []*model.AuthorizationRule{{From: []model.AuthorizationSource{{Principals: model.Values{In: principals}}}, Pos: r.Pos}},
		}
		into[p.Key()] = p
	}
}
