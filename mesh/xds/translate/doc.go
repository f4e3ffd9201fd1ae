// Package translate turns a model.Snapshot into the resources of Envoy's discovery API, with
// the names and defaults that Istio gives them.
//
// A Translator holds one node per thing to build (the clusters of a host, the routes of a port,
// a listener). While a node builds, it asks for parts of the snapshot through a reader, which
// notes what was asked. When a new snapshot comes, the parts that differ name the nodes that
// read them, and only those build again. A resource that comes out equal keeps its pointer, so
// that nobody marshals it, sends it or waits for it again.
//
// Everything is deterministic: the same snapshots in the same order give the same bytes.
package translate
