// Package kube takes rules from a Kubernetes cluster: Istio's kinds, as kubectl applies them. Each change of an object is given to the
// control plane by itself, so that one that is wrong does not hold up the others, and what came of it is written into the object's status.
package kube
