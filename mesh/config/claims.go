package config

import (
	"slices"

	"github.com/squallmesh/squall/mesh/model"
)

// claim checks what stands in the place of a header's name: a claim of the request's token, by which gateways alone route (Istio's rule).
func (c *routes) claim(name, path string) string {
	out := model.ClaimPath(name)
	switch {
	case out == nil:
		c.errorf("BAD-NAME", path, "%q is no name of a claim", shorten(name))
		c.hint("@request.auth.claims.NAME or @request.auth.claims[NAME][NAME]")
	case c.delegate || slices.Contains(c.gateways, model.MeshGateway):
		c.errorf("UNSUPPORTED-FIELD", path, "claims route at gateways alone, not in the mesh or in a delegate")
		c.hint("bind the rule to a gateway: gateways: [NAME]")
	}
	return name
}
