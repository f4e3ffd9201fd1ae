// Package mesh is squall's control plane: it takes Istio rules and running workloads, and keeps
// real Envoys configured.
//
//	config, registry/*   rules and workloads as their users write them -> model
//	model                the mesh as plain immutable values
//	xds/translate        model -> Envoy's resources
//	xds/serve            resources -> Envoys, with the barrier
//	envoy, proc          Envoys as processes
//	telemetry            what Envoys say of themselves
//	platform/*           where all of it runs
//
// A control plane is a process of its own (squall mesh); others talk to it through Client.
package mesh
