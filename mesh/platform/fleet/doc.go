// Package fleet leads deployments whose workloads are pods elsewhere: in a Kubernetes cluster, or pairs of containers. A [Host] runs the
// pods, which hold agents and no more (see mesh/agent). The lab starts every process in them anew, through their agents, and so can use
// pods that are there already: what a run before it left in a process is gone with the process.
package fleet
