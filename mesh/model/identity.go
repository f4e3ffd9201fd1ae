package model

// IdentityOf gives the SPIFFE id of a service account: spiffe://<trust domain>/ns/<namespace>/sa/<service account>.
func IdentityOf(trustDomain, namespace, serviceAccount string) string {
	return "spiffe://" + trustDomain + "/ns/" + namespace + "/sa/" + serviceAccount
}

// Trust is whose certificates the mesh believes.
type Trust struct {
	// Roots in PEM. CRL lists what was revoked, in PEM; empty without.
	Roots, CRL string
}

// Identities are those that may answer for a host: the service accounts of its workloads.
type Identities struct {
	Host string
	// List of SPIFFE ids, sorted.
	List []string
}
