package match

import (
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// Request is what rules look at.
type Request struct {
	Method, Scheme, Authority string
	// Path with its query.
	Path string
	// Headers with names in lower case. A name may occur several times.
	Headers []model.Header
}

// Header gives a header's value, several joined by commas as Envoy does, and whether there is one.
func (r *Request) Header(name string) (string, bool) {
	value, found := "", false
	for _, h := range r.Headers {
		switch {
		case !strings.EqualFold(h.Name, name):
		case found:
			value += "," + h.Value
		default:
			value, found = h.Value, true
		}
	}
	return value, found
}

// path is without query and fragment.
func (r *Request) path() string {
	path, _, _ := strings.Cut(r.Path, "?")
	path, _, _ = strings.Cut(path, "#")
	return path
}

// Query gives the first value of a query parameter, and whether there is one. As in Envoy's routes nothing is unescaped.
func (r *Request) Query(name string) (string, bool) {
	_, query, _ := strings.Cut(r.Path, "?")
	query, _, _ = strings.Cut(query, "#")
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key == name && pair != "" {
			return value, true
		}
	}
	return "", false
}
