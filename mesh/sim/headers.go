package sim

import (
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// setHeaders gives headers changed: removed, then set, then added. A value of %NAME% would be a command of Envoy, which Refused finds.
func setHeaders(in []model.Header, set, add []model.Header, remove []string) []model.Header {
	out := slices.DeleteFunc(slices.Clone(in), func(h model.Header) bool {
		return slices.ContainsFunc(remove, func(name string) bool { return strings.EqualFold(name, h.Name) })
	})
	for _, h := range set {
		if isAuthority(h.Name) {
			continue
		}
		out = slices.DeleteFunc(out, func(o model.Header) bool { return strings.EqualFold(o.Name, h.Name) })
		out = append(out, h)
	}
	for _, h := range add {
		if !isAuthority(h.Name) {
			out = append(out, h)
		}
	}
	return sortHeaders(out)
}

func isAuthority(name string) bool { return strings.EqualFold(name, "host") || name == ":authority" }

// authoritySet is the authority that header operations ask for, or "".
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

// answerOps are header operations on answers, the destination's before the route's as Envoy makes them.
func (m *Mesh) changed(id AnswerID, ops *model.HeaderOps) AnswerID {
	if ops == nil || len(ops.ResponseSet)+len(ops.ResponseAdd)+len(ops.ResponseRemove) == 0 {
		return id
	}
	a := *m.Answer(id)
	a.Headers = setHeaders(a.Headers, ops.ResponseSet, ops.ResponseAdd, ops.ResponseRemove)
	return m.answers.of(a)
}
