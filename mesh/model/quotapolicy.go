package model

import (
	"time"

	"github.com/squallmesh/squall/mesh/diag"
)

// QuotaPolicy says how many requests workloads take.
type QuotaPolicy struct {
	Name, Namespace string
	// Selector as in AuthorizationPolicy.
	Selector map[string]string
	// FailOpen lets requests pass when the server that counts global limits does not answer; else they are refused (500).
	FailOpen bool
	// ResponseHeaders tells callers what is left: x-ratelimit-limit, -remaining and -reset, and retry-after.
	ResponseHeaders bool
	// Limits of which each must allow a request that it matches.
	Limits []*QuotaLimit
	Pos    diag.Pos
}

// Key is namespace/name.
func (q *QuotaPolicy) Key() string { return q.Namespace + "/" + q.Name }

// LimitKey names a limit of the policy in the whole mesh: namespace/policy/limit.
func (q *QuotaPolicy) LimitKey(l *QuotaLimit) string { return q.Key() + "/" + l.Name }

// QuotaLimit is one count, or one for each value of what it is kept by.
type QuotaLimit struct {
	// Name is the limit's own within its policy.
	Name  string
	Match QuotaMatch
	// By are attributes, as in Istio's conditions: request.headers[end-user]. What a request does not have counts as one value of its own.
	By []string
	// Global limits are counted by the mesh for all workloads together; others by each proxy for itself.
	Global bool
	Rate   Quota
	Pos    diag.Pos
}

// QuotaMatch says which requests are counted: all of its parts must match. Empty parts match everything.
type QuotaMatch struct {
	// Values as in AuthorizationPolicy. Paths have no query.
	Hosts, Methods, Paths []string
	// Headers by name, in the order of the names.
	Headers []QuotaHeader
}

// QuotaHeader is a header and one of its values.
type QuotaHeader struct{ Name, Value string }

// Quota is Requests per Unit.
type Quota struct {
	Requests uint32
	Unit     time.Duration
	// Burst is how many requests pass at once after a pause; 0 is Requests. A fixed window has none.
	Burst uint32
	// Window counts in fixed windows, which begin with their first request; else requests flow back steadily (a token bucket, GCRA).
	Window bool
}

// WithQuotaPolicy gives the snapshot with the policy added, or replaced by its key.
func (s Snapshot) WithQuotaPolicy(q *QuotaPolicy) Snapshot {
	s = s.WithoutQuotaPolicy(q.Key())
	s.QuotaPolicies = s.QuotaPolicies.Set(q.Key(), q)
	s.quotas = addRule(s.quotas, q.Namespace, q)
	return s
}

// WithoutQuotaPolicy gives the snapshot without the policy.
func (s Snapshot) WithoutQuotaPolicy(key string) Snapshot {
	if q := s.QuotaPolicies.At(key); q != nil {
		s.QuotaPolicies = s.QuotaPolicies.Delete(key)
		s.quotas = dropRule(s.quotas, q.Namespace, q)
	}
	return s
}

// Quotas gives the policies for a workload: those of the root namespace, then those of its own, by name.
func (s Snapshot) Quotas(namespace string, labels map[string]string) []*QuotaPolicy {
	return selecting(s, s.quotas, namespace, func(q *QuotaPolicy) bool { return Labels(labels, q.Selector) })
}
