package lint

import (
	"fmt"
	"slices"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// PatchIdle is the code of a patch that matches nothing, which is told when it is applied as well.
const PatchIdle = "PATCH-MATCHES-NOTHING"

// patchIdle finds patches of EnvoyFilters that match nothing that any proxy is told, however traffic reaches it.
func patchIdle(p *pass) {
	if len(p.Proxies) == 0 || p.Snapshot.EnvoyFilters.Len() == 0 {
		return
	}
	other := p.Snapshot
	mesh := *other.Mesh
	mesh.Capture = model.CaptureRedirect
	if p.Snapshot.Mesh.Capture == model.CaptureRedirect {
		mesh.Capture = model.CaptureProxy
	}
	other.Mesh = &mesh
	alike := translate.IdlePatches(other, p.Proxies)
	for _, patch := range translate.IdlePatches(p.Snapshot, p.Proxies) {
		if slices.Contains(alike, patch) {
			message, hint := IdlePatch(patch)
			p.report(patch.Pos, hint, "%s", message)
		}
	}
}

// IdlePatch says what is wrong with a patch that matches nothing, and what to do.
func IdlePatch(p *model.EnvoyPatch) (message, hint string) {
	message = fmt.Sprintf("this %s of a %s (%s) matches nothing that a proxy of the mesh is told", p.Operation, p.Target, p.Context)
	switch name := p.Listener.HTTPFilter; name {
	case "":
		return message, "compare its match with what squall get config shows, and the workloadSelector with the labels of pods"
	case "istio.stats", "istio.alpn", "istio.metadata_exchange", "envoy.filters.http.wasm", "istio_authn", "istio.peer_metadata":
		return message, fmt.Sprintf("the filter %s exists in Istio's own build of Envoy alone; anchor on envoy.filters.http.router", name)
	}
	return message, "compare its match with what squall get config shows: the filters there are by their names"
}
