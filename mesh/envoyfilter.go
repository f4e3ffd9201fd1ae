package mesh

import (
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/lint"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// idlePatches warns of patches that match nothing, when EnvoyFilters change.
func idlePatches(before, now model.Snapshot, proxies []*model.Proxy) diag.List {
	if now.EnvoyFilters.Same(before.EnvoyFilters) {
		return nil
	}
	var out diag.List
	for _, p := range translate.IdlePatches(now, proxies) {
		message, hint := lint.IdlePatch(p)
		out.Warnf(lint.PatchIdle, p.Pos, "%s", message)
		out.Hint("%s", hint)
	}
	return out
}
