// Package config reads the YAML that users of Istio and Kubernetes have, and turns it into the model of a mesh.
//
// It works in two steps. Parse decodes documents strictly: each field is looked up in the type it belongs to, and what is
// misspelt, of a wrong type, or not supported yet is an error at its place. Build resolves names, checks what documents say
// about one another, and gives a model.Snapshot. Both collect all problems instead of ending at the first, and both can be
// called although the other found errors, so that a person sees everything at once:
//
//	docs, problems := config.Parse(files...)
//	snapshot, more := config.Build(set.With(docs...), previous, workloads)
//	problems.Add(more...)
//
// Supported are VirtualService, DestinationRule, Gateway and ServiceEntry of networking.istio.io, and Service, Deployment
// and ServiceAccount of Kubernetes. Kinds of Kubernetes that mean nothing to a mesh give a warning.
package config
