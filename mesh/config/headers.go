package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// headerToken is a name of a header, by RFC 9110.
var headerToken = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")

func (r reporter) headerName(name, path string) {
	if !headerToken.MatchString(name) && name != ":authority" && name != ":method" && name != ":path" && name != ":scheme" {
		r.errorf("BAD-HEADER", path, "%q is no name of a header", shorten(name))
	}
}

// headerOps converts what a route or a destination does to headers; nil for nothing.
func (r reporter) headerOps(in *networking.Headers, path string) *model.HeaderOps {
	if in == nil {
		return nil
	}
	var out model.HeaderOps
	out.RequestSet, out.RequestAdd, out.RequestRemove = r.headerChanges(in.Request, path+".request")
	out.ResponseSet, out.ResponseAdd, out.ResponseRemove = r.headerChanges(in.Response, path+".response")
	if out.RequestSet == nil && out.RequestAdd == nil && out.RequestRemove == nil &&
		out.ResponseSet == nil && out.ResponseAdd == nil && out.ResponseRemove == nil {
		return nil
	}
	return &out
}

func (r reporter) headerChanges(in *networking.Headers_HeaderOperations, path string) (set, add []model.Header, remove []string) {
	if in == nil {
		return nil, nil, nil
	}
	seen := map[string]bool{}
	for i, name := range in.Remove {
		p := at(path+".remove", i)
		r.headerName(name, p)
		if low := strings.ToLower(name); seen[low] {
			r.errorf("DUPLICATE-HEADER", p, "the header %q is removed twice", name)
		} else {
			seen[low] = true
			remove = append(remove, name)
		}
	}
	slices.Sort(remove)
	return r.headerValues(in.Set, path+".set"), r.headerValues(in.Add, path+".add"), remove
}

func (r reporter) headerValues(in map[string]string, path string) []model.Header {
	var out []model.Header
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		p := joinPath(path, name)
		r.headerName(name, p)
		if low := strings.ToLower(name); seen[low] {
			r.errorf("DUPLICATE-HEADER", p, "the header %q occurs twice", name)
			r.hint("names of headers know no capital letters")
		} else {
			seen[low] = true
			out = append(out, model.Header{Name: name, Value: in[name]})
		}
	}
	return out
}
