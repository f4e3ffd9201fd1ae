// Package model is what a mesh is told to do, in plain values: services, workloads, routes and
// policies, after every name is resolved and every default of the user's own format is applied.
//
// It is the contract between the readers of configuration (mesh/config, mesh/registry) and
// those who act on it (mesh/xds/translate for real Envoys, mesh/sim in virtual time). It knows
// neither YAML nor protobuf.
//
// Everything here is immutable once it is in a Snapshot: a change makes new values, and an
// unchanged part keeps its pointer, by which others know that nothing has to be done.
package model
