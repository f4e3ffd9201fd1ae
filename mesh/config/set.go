package config

import "github.com/squallmesh/squall/mesh/model"

// Set is an immutable collection of documents, one for each kind, namespace and name. The zero value is empty.
type Set struct{ docs model.Map[*Document] }

// With gives the set with documents added, in order: one of the same kind, namespace and name replaces the older.
func (s Set) With(docs ...*Document) Set {
	for _, d := range docs {
		s.docs = s.docs.Set(d.Key(), d)
	}
	return s
}

// Without gives the set without a document. It is no error if there is none.
func (s Set) Without(kind, namespace, name string) Set {
	if namespace == "" {
		namespace = DefaultNamespace
	}
	s.docs = s.docs.Delete(documentKey(kind, namespace, name))
	return s
}

// Get finds a document, or gives nil. An empty namespace is "default".
func (s Set) Get(kind, namespace, name string) *Document {
	if namespace == "" {
		namespace = DefaultNamespace
	}
	return s.docs.At(documentKey(kind, namespace, name))
}

// Len is the number of documents.
func (s Set) Len() int { return s.docs.Len() }

// Documents gives all documents by kind, namespace and name.
func (s Set) Documents() []*Document {
	out := make([]*Document, 0, s.docs.Len())
	for _, d := range s.docs.All() {
		out = append(out, d)
	}
	return out
}

// ofKind gives the documents of one kind by namespace and name.
func (s Set) ofKind(kind string) []*Document {
	var out []*Document
	for _, d := range s.docs.All() {
		if d.Kind == kind {
			out = append(out, d)
		}
	}
	return out
}
