package mesh

import (
	"context"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/ratelimit"
)

// count makes the rate limit service know the limits of snapshots; those of later ones hold.
func (m *Mesh) count(ctx context.Context, snaps ...model.Snapshot) {
	if err := m.quotas.Limits(ctx, globalLimits(snaps...)); err != nil {
		m.opts.Log.Warn("counts of limits that are gone were not forgotten", "error", err)
	}
}

// globalLimits are the limits of QuotaPolicies that the mesh counts, by their names in it.
func globalLimits(snaps ...model.Snapshot) map[string]ratelimit.Limit {
	out := map[string]ratelimit.Limit{}
	for _, s := range snaps {
		for _, q := range s.QuotaPolicies.All() {
			for _, l := range q.Limits {
				if !l.Global {
					continue
				}
				limit := ratelimit.Limit{Requests: l.Rate.Requests, Unit: l.Rate.Unit, Burst: l.Rate.Burst, Algorithm: ratelimit.GCRA}
				if l.Rate.Window {
					limit.Algorithm = ratelimit.FixedWindow
				}
				out[q.LimitKey(l)] = limit
			}
		}
	}
	return out
}
