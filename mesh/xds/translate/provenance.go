package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// The metadata of a route says where its rule is written: file:line:col of the route, and of the match it was made from.
// Envoy keeps it and does nothing with it, so that whoever reads a proxy's configuration can name the rule behind it.
const (
	RuleMetadata  = "squall"
	RuleMetaRoute = "rule"
	RuleMetaMatch = "match"
)

// provenance is the metadata of a route; nil for one that no rule asks for.
func provenance(h *model.HTTPRoute, m *model.HTTPMatch) *corev3.Metadata {
	fields := map[string]*structpb.Value{}
	put := func(name string, pos diag.Pos) {
		if !pos.IsZero() {
			fields[name] = structpb.NewStringValue(pos.String())
		}
	}
	put(RuleMetaRoute, h.Pos)
	if m != nil {
		put(RuleMetaMatch, m.Pos)
	}
	if len(fields) == 0 {
		return nil
	}
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{RuleMetadata: {Fields: fields}}}
}
