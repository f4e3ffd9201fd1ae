package config

import (
	"reflect"

	"github.com/squallmesh/squall/mesh/diag"
)

// Decode reads a file of one document into a Go value (a pointer to a struct) by its json tags: strictly, with the place
// of every field. It is for formats of our own. The document is nil if the file holds none.
func Decode(f File, what string, target any) (*Document, diag.List) {
	var diags diag.List
	roots := nodes(f, &diags)
	if len(roots) != 1 {
		if !diags.HasErrors() {
			diags.Errorf("BAD-FILE", diag.Pos{File: f.Name, Line: 1}, "a %s file holds one document, not %d", what, len(roots))
		}
		return nil, finished(diags)
	}
	d := &decoder{file: f.Name, places: places{}, diags: &diags}
	d.into(roots[0], reflect.ValueOf(target).Elem(), "", what)
	return &Document{Kind: what, Pos: d.pos(roots[0]), places: d.places, broken: d.broken}, finished(diags)
}
