package mesh

import (
	"context"
	"slices"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/serve"
)

// revoke makes the authority and the proxies stop believing the identities that a new snapshot revokes, in this order: what they ask for is
// refused, on open connections too; they get no certificates; those that they have are on the list that proxies hold handshakes against, which
// the snapshot takes along, as it leaves their endpoints out. A mesh that fails in between refuses more and not less.
func (m *Mesh) revoke(ctx context.Context, next *model.Snapshot) error {
	if m.opts.Identity == nil {
		return nil // the snapshot was refused if it revokes anything
	}
	authority := m.opts.Identity.Authority
	revoked, refused := next.Revoked(), authority.Refused()
	if slices.Equal(revoked, refused) {
		return nil
	}
	if slices.ContainsFunc(revoked, func(id string) bool { return !slices.Contains(refused, id) }) {
		first := m.snapshot.WithDenials(*next)
		if _, err := m.server.Apply(ctx, serve.Change{Snapshot: &first, Proxies: m.proxies}); err != nil {
			if _, rejected := asRejected(err); rejected {
				return err
			}
			m.opts.Log.Warn("not every proxy refuses what was revoked yet; it goes on", "error", err)
		}
	}
	crl, err := authority.Revoke(revoked)
	if err != nil {
		return err
	}
	next.Trust = &model.Trust{Roots: authority.Roots(), CRL: crl}
	return nil
}
