package mesh

import (
	"context"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/quota"
)

// count makes the rate limit service know the limits of snapshots; those of later ones hold.
func (m *Mesh) count(ctx context.Context, snaps ...model.Snapshot) {
	if err := m.quotas.Limits(ctx, quota.Limits(snaps...)); err != nil {
		m.opts.Log.Warn("counts of limits that are gone were not forgotten", "error", err)
	}
}
