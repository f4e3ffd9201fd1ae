// Package authz decides whether a request may pass, by the AuthorizationPolicies of a workload: Istio's rules, read from the model and not
// from what Envoy is told. It is pure. A differential test holds it against Envoy's RBAC filters.
package authz
