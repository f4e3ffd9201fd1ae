package translate

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/squallmesh/squall/mesh/model"
)

// headerOptions translates headers to set and to add. A Host header is the authority, which is rewritten
// elsewhere, so it is left out here.
func headerOptions(set, add []model.Header) []*corev3.HeaderValueOption {
	var out []*corev3.HeaderValueOption
	put := func(hs []model.Header, action corev3.HeaderValueOption_HeaderAppendAction) {
		for _, h := range hs {
			if isAuthority(h.Name) {
				continue
			}
			out = append(out, &corev3.HeaderValueOption{
				Header:       &corev3.HeaderValue{Key: h.Name, Value: h.Value},
				AppendAction: action,
			})
		}
	}
	put(set, corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD)
	put(add, corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD)
	return out
}

func isAuthority(name string) bool {
	return strings.EqualFold(name, "host") || name == ":authority"
}

// authoritySet gives the authority that a rule's headers ask for, or "".
func authoritySet(ops *model.HeaderOps) string {
	if ops == nil {
		return ""
	}
	for _, h := range ops.RequestSet {
		if isAuthority(h.Name) {
			return h.Value
		}
	}
	return ""
}
