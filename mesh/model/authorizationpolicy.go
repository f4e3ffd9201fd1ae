package model

import "github.com/squallmesh/squall/mesh/diag"

// AuthorizationAction is what an AuthorizationPolicy does with what its rules match.
type AuthorizationAction string

// The actions, in the order in which they are looked at: a provider is asked about what a CUSTOM matches; the first DENY that matches refuses;
// then, if there are ALLOWs, one must match. AUDIT marks and decides nothing.
const (
	Custom AuthorizationAction = "CUSTOM"
	Audit  AuthorizationAction = "AUDIT"
	Deny   AuthorizationAction = "DENY"
	Allow  AuthorizationAction = "ALLOW"
)

// AuthorizationPolicy says who may do what at workloads.
type AuthorizationPolicy struct {
	Name, Namespace string
	// Selector picks workloads of the namespace, or of all namespaces in the root namespace; empty is all of them.
	Selector map[string]string
	Action   AuthorizationAction
	// Provider is the extension provider of the action CUSTOM.
	Provider string
	// DryRun decides nothing and counts what it would decide.
	DryRun bool
	// Rules, of which one must match. Without any, nothing matches.
	Rules []*AuthorizationRule
	Pos   diag.Pos
}

// Key is namespace/name.
func (a *AuthorizationPolicy) Key() string { return a.Namespace + "/" + a.Name }

// AsksIdentities reports whether some rule asks for what is in the peer's certificate.
func (a *AuthorizationPolicy) AsksIdentities() bool {
	for _, r := range a.Rules {
		for _, s := range r.From {
			if !s.Principals.Empty() || !s.Namespaces.Empty() || !s.ServiceAccounts.Empty() || !s.TrustDomains.Empty() {
				return true
			}
		}
		for _, c := range r.When {
			switch c.Key {
			case "source.principal", "source.namespace", "source.serviceAccount":
				return true
			}
		}
	}
	return false
}

// AuthorizationRule matches a request that one of From, one of To, and all of When match. Empty parts match everything.
type AuthorizationRule struct {
	From []AuthorizationSource
	To   []AuthorizationOperation
	When []AuthorizationCondition
	Pos  diag.Pos
}

// Values are what an attribute must be, and what it must not be: exact, "prefix*", "*suffix" or "*" (anything there is). Empty lists say
// nothing.
type Values struct{ In, NotIn []string }

// Empty reports whether the values say nothing.
func (v Values) Empty() bool { return len(v.In)+len(v.NotIn) == 0 }

// AuthorizationSource is where a request comes from: all of its parts must match.
type AuthorizationSource struct {
	// Principals are those of peers, without spiffe://; RequestPrincipals are issuer/subject of tokens.
	Principals, RequestPrincipals Values
	// Namespaces, ServiceAccounts (namespace/name) and TrustDomains are parts of the peer's principal.
	Namespaces, ServiceAccounts, TrustDomains Values
	// IPBlocks hold the peer's address, RemoteIPBlocks the client's, as X-Forwarded-For tells where it is trusted.
	IPBlocks, RemoteIPBlocks Values
}

// AuthorizationOperation is what a request asks for: all of its parts must match.
type AuthorizationOperation struct {
	// Hosts are compared without regard to case. Ports are those of the workload. Paths have no query.
	Hosts, Ports, Methods, Paths Values
}

// AuthorizationCondition is one attribute by its name in Istio's API: request.headers[x-user].
type AuthorizationCondition struct {
	Key string
	Values
	Pos diag.Pos
}

// WithAuthorizationPolicy gives the snapshot with the policy added, or replaced by its key.
func (s Snapshot) WithAuthorizationPolicy(a *AuthorizationPolicy) Snapshot {
	s = s.WithoutAuthorizationPolicy(a.Key())
	s.AuthorizationPolicies = s.AuthorizationPolicies.Set(a.Key(), a)
	s.authorizations = addRule(s.authorizations, a.Namespace, a)
	return s
}

// WithoutAuthorizationPolicy gives the snapshot without the policy.
func (s Snapshot) WithoutAuthorizationPolicy(key string) Snapshot {
	if a := s.AuthorizationPolicies.At(key); a != nil {
		s.AuthorizationPolicies = s.AuthorizationPolicies.Delete(key)
		s.authorizations = dropRule(s.authorizations, a.Namespace, a)
	}
	return s
}

// Authorizations gives the policies for a workload: those of the root namespace, then those of its own, by name.
func (s Snapshot) Authorizations(namespace string, labels map[string]string) []*AuthorizationPolicy {
	return selecting(s, s.authorizations, namespace, func(a *AuthorizationPolicy) bool { return Labels(labels, a.Selector) })
}

// selecting gives the rules of the root namespace and of another that pick a workload.
func selecting[T any](s Snapshot, index Map[*ruleList[T]], namespace string, picks func(*T) bool) []*T {
	if s.Mesh == nil {
		return nil
	}
	namespaces := []string{s.Mesh.RootNamespace, namespace}
	if namespace == s.Mesh.RootNamespace {
		namespaces = namespaces[:1]
	}
	var out []*T
	for _, ns := range namespaces {
		if list := index.At(ns); list != nil {
			for _, r := range list.rules {
				if picks(r) {
					out = append(out, r)
				}
			}
		}
	}
	return out
}
