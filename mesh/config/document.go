package config

import (
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/squallmesh/squall/mesh/diag"
)

// DefaultNamespace is where documents without a namespace live.
const DefaultNamespace = "default"

// File is something to read. Name is what diagnostics print.
type File struct {
	Name string
	Data []byte
}

// Document is one decoded YAML document. It must not be changed.
type Document struct {
	Kind, APIVersion string
	// Namespace is "default" unless the document says otherwise. Name is never empty.
	Namespace, Name string
	Labels          map[string]string
	Annotations     map[string]string
	// Pos is where the document starts.
	Pos diag.Pos

	message proto.Message            // the spec of Istio's kinds
	object  any                      // the whole object of Kubernetes' kinds
	values  map[string]proto.Message // parts of the spec that are messages of Envoy's API, by their paths
	places  places
	broken  []string // the paths of fields that could not be decoded
}

// Key names the document in a Set: kind/namespace/name.
func (d *Document) Key() string { return documentKey(d.Kind, d.Namespace, d.Name) }

func documentKey(kind, namespace, name string) string {
	return strings.ToLower(kind) + "/" + namespace + "/" + name
}

// Where gives the place of a field by its path, such as spec.http[0].route[1].weight. A field
// that is not written has the place of the nearest one around it that is.
func (d *Document) Where(path string) diag.Pos {
	for path != "" {
		if p, ok := d.places[path]; ok {
			return p
		}
		path = parentPath(path)
	}
	return d.Pos
}

// Written gives the place of a field that is written, and whether it is.
func (d *Document) Written(path string) (diag.Pos, bool) {
	p, ok := d.places[path]
	return p, ok
}

// damaged reports whether something at, above or below the path could not be decoded, so that its absence means nothing.
func (d *Document) damaged(path string) bool {
	for _, b := range d.broken {
		if within(b, path) || within(path, b) {
			return true
		}
	}
	return false
}

// within reports whether a path is another one or lies below it.
func within(path, other string) bool {
	return strings.HasPrefix(path, other) && (len(path) == len(other) || path[len(other)] == '.' || path[len(other)] == '[')
}

// places maps the paths of fields to where they are written.
type places map[string]diag.Pos

func parentPath(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		switch path[i] {
		case '"': // ["a.b"]: a key that needs quotes ends here and begins at its bracket
			if j := strings.LastIndex(path[:i], `["`); j >= 0 && strings.HasSuffix(path, `"]`) {
				return path[:j]
			}
		case '.', '[':
			return path[:i]
		}
	}
	return ""
}
