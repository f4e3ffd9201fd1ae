// Package kind runs labs in Kubernetes clusters that it makes in Docker, with kind as a library. A cluster stays until Delete: making one
// takes half a minute, and the next lab uses it. Pods that the next lab wants as well stay too; their processes do not (see fleet).
//
// What a lab makes lies in the cluster alone. The addresses of a cluster are of 198.18.0.0/15; this machine reaches its nodes, and
// everything else through the agent of the control plane's pod, which is in the network of a node.
package kind
