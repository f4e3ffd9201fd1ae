package authz

import (
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// AsksAddresses reports whether policies look at the addresses of a request.
func AsksAddresses(policies []*model.AuthorizationPolicy) bool {
	for _, p := range policies {
		for _, r := range p.Rules {
			for _, s := range r.From {
				if !s.IPBlocks.Empty() || !s.RemoteIPBlocks.Empty() {
					return true
				}
			}
			for _, c := range r.When {
				if strings.HasSuffix(c.Key, ".ip") {
					return true
				}
			}
		}
	}
	return false
}
