package ca

import (
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Workload is who asks for a certificate.
type Workload struct {
	// Namespace and ServiceAccount make the identity; Name is the instance, for logs alone.
	Namespace, ServiceAccount, Name string
}

// ID gives spiffe://<trust domain>/ns/<namespace>/sa/<service account>.
func (w Workload) ID(trustDomain string) (spiffeid.ID, error) {
	td, err := spiffeid.TrustDomainFromString(trustDomain)
	if err != nil {
		return spiffeid.ID{}, fmt.Errorf("trust domain %q: %w", trustDomain, err)
	}
	id, err := spiffeid.FromSegments(td, "ns", w.Namespace, "sa", w.ServiceAccount)
	if err != nil {
		return spiffeid.ID{}, fmt.Errorf("identity of %s in %s: %w", w.ServiceAccount, w.Namespace, err)
	}
	return id, nil
}
