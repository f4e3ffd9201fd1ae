// Package inject gives pods of a cluster their sidecar: a mutating webhook adds to each pod that asks for it a container that has the kernel
// redirect its traffic, and one with an agent, which runs the Envoy that a lab wants there. Labels and annotations are Istio's.
//
// containers.go has what labs' own pods have as well, pod.go what is done to a pod, server.go answers the cluster.
package inject
