package model

import (
	"time"

	"github.com/squallmesh/squall/mesh/diag"
)

// DestinationRule says how calls to a host are made.
type DestinationRule struct {
	Name, Namespace string
	// Host as a full name or a wildcard.
	Host string
	// Policy for all calls; nil takes the mesh's defaults.
	Policy *TrafficPolicy
	// Subsets by name, in the order of their declaration.
	Subsets []*Subset
	// ExportTo lists the namespaces of the callers: "*" or empty all, "." its own.
	ExportTo []string
	Pos      diag.Pos
}

// Key is namespace/name.
func (d *DestinationRule) Key() string { return d.Namespace + "/" + d.Name }

// VisibleFrom reports whether callers of the namespace obey the rule.
func (d *DestinationRule) VisibleFrom(namespace string) bool {
	return exported(d.ExportTo, d.Namespace, namespace)
}

// Subset finds a subset by its name, or gives nil.
func (d *DestinationRule) Subset(name string) *Subset {
	for _, s := range d.Subsets {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// AllTLS gives every setting of client TLS in the rule: its own, those of ports and of subsets.
func (d *DestinationRule) AllTLS() []*ClientTLS {
	var out []*ClientTLS
	take := func(p *TrafficPolicy) {
		if p != nil && p.TLS != nil {
			out = append(out, p.TLS)
		}
	}
	each := func(p *TrafficPolicy) {
		take(p)
		if p != nil {
			for _, port := range p.Ports {
				take(port.Policy)
			}
		}
	}
	each(d.Policy)
	for _, s := range d.Subsets {
		each(s.Policy)
	}
	return out
}

// Subset is a named part of a service's endpoints.
type Subset struct {
	Name   string
	Labels map[string]string
	// Policy overrides the rule's, field by field.
	Policy *TrafficPolicy
	Pos    diag.Pos
}

// TrafficPolicy is how calls are made. Nil parts take the next wider policy's.
type TrafficPolicy struct {
	LoadBalancer *LoadBalancer
	Pool         *ConnectionPool
	Outlier      *OutlierDetection
	TLS          *ClientTLS
	RetryBudget  *RetryBudget
	// Ports override the rest for one port each: no part of the wider policy is inherited there.
	Ports []PortPolicy
	Pos   diag.Pos
}

// PortPolicy is the policy of one port.
type PortPolicy struct {
	Port   uint32
	Policy *TrafficPolicy
}

// For gives the policy for a subset and a port: the port's over the subset's over the rule's, each
// part by itself. The result is never nil and has no Ports. Source: Istio's MergeTrafficPolicy.
func (d *DestinationRule) For(subset string, port uint32) TrafficPolicy {
	var out TrafficPolicy
	if d == nil {
		return out
	}
	out.overlay(d.Policy, port)
	if s := d.Subset(subset); s != nil {
		out.overlay(s.Policy, port)
	}
	return out
}

func (t *TrafficPolicy) overlay(p *TrafficPolicy, port uint32) {
	if p == nil {
		return
	}
	t.take(p)
	for _, pp := range p.Ports {
		if pp.Port == port {
			// A port's settings replace the wider ones as a whole, except the retry budget.
			budget := t.RetryBudget
			*t = TrafficPolicy{RetryBudget: budget}
			t.take(pp.Policy)
		}
	}
}

func (t *TrafficPolicy) take(p *TrafficPolicy) {
	if p.LoadBalancer != nil {
		t.LoadBalancer = p.LoadBalancer
	}
	if p.Pool != nil {
		t.Pool = p.Pool
	}
	if p.Outlier != nil {
		t.Outlier = p.Outlier
	}
	if p.TLS != nil {
		t.TLS = p.TLS
	}
	if p.RetryBudget != nil {
		t.RetryBudget = p.RetryBudget
	}
	t.Pos = p.Pos
}

// LBPolicy is a load balancing algorithm.
type LBPolicy string

// The algorithms.
const (
	RoundRobin   LBPolicy = "ROUND_ROBIN"
	LeastRequest LBPolicy = "LEAST_REQUEST"
	Random       LBPolicy = "RANDOM"
	Passthrough  LBPolicy = "PASSTHROUGH"
	RingHash     LBPolicy = "RING_HASH"
	Maglev       LBPolicy = "MAGLEV"
)

// LoadBalancer picks an endpoint for each request.
type LoadBalancer struct {
	// Policy; empty takes LEAST_REQUEST.
	Policy LBPolicy
	// Hash says what RING_HASH and MAGLEV hash; nil otherwise.
	Hash *HashPolicy
	// Locality weights and failover; nil takes the mesh's default.
	Locality *LocalityLB
	// Warmup eases new endpoints in; nil is off.
	Warmup *Warmup
}

// HashPolicy is what consistent hashing hashes: exactly one of its sources is set.
type HashPolicy struct {
	Header, QueryParam string
	Cookie             *HashCookie
	SourceIP           bool
	// MinimumRingSize of RING_HASH; 0 takes 1024. TableSize of MAGLEV; 0 takes 65537.
	MinimumRingSize, TableSize uint64
}

// HashCookie is a cookie that is hashed, and made if missing and TTL is set.
type HashCookie struct {
	Name, Path string
	TTL        *time.Duration
}

// LocalityLB spreads or fails over by locality.
type LocalityLB struct {
	// Disabled switches locality load balancing off.
	Disabled bool
	// Distribute gives weights from one locality to others.
	Distribute []Distribute
	// Failover from one region to another.
	Failover []Failover
	// FailoverPriority lists labels in order.
	FailoverPriority []string
}

// Distribute spreads the calls from a locality: To is sorted by locality, weights sum to 100.
type Distribute struct {
	From string
	To   []LocalityWeight
}

// LocalityWeight is a locality (or a wildcard such as us-east/*) and its percentage.
type LocalityWeight struct {
	Locality string
	Weight   uint32
}

// Failover sends calls of one region to another when it is down.
type Failover struct{ From, To string }

// Warmup is a slow start.
type Warmup struct {
	Duration time.Duration
	// MinimumPercent of the weight at the start; 0 takes 10. Aggression; 0 takes 1.
	MinimumPercent, Aggression float64
}

// ConnectionPool limits what one sidecar sends to one cluster. 0 means unset everywhere: no limit,
// or Envoy's default for times.
type ConnectionPool struct {
	MaxConnections           uint32
	ConnectTimeout           time.Duration
	MaxConnectionDuration    time.Duration
	TCPIdleTimeout           time.Duration
	Keepalive                *Keepalive
	MaxPendingRequests       uint32
	MaxRequests              uint32
	MaxRequestsPerConnection uint32
	MaxRetries               uint32
	MaxConcurrentStreams     uint32
	IdleTimeout              time.Duration
	// H2Upgrade is "", UPGRADE or DO_NOT_UPGRADE.
	H2Upgrade         string
	UseClientProtocol bool
}

// Keepalive probes idle TCP connections; 0 takes the kernel's.
type Keepalive struct {
	Probes         uint32
	Time, Interval time.Duration
}

// RetryBudget limits retries to a share of the active requests.
type RetryBudget struct {
	// Percent of active and pending requests, default 20.
	Percent float64
	// MinConcurrency always allowed, default 3.
	MinConcurrency uint32
}

// OutlierDetection ejects endpoints that fail. Nil fields are unset, as in Istio: 5xx unset keeps
// Envoy's five at 100 %.
type OutlierDetection struct {
	Consecutive5xx, ConsecutiveGateway, ConsecutiveLocalOrigin *uint32
	// SplitLocalOrigin counts errors of the connection apart.
	SplitLocalOrigin bool
	// Interval of the sweeps, default 10 s; BaseEjection, default 30 s; 0 takes the default.
	Interval, BaseEjection time.Duration
	// MaxEjectionPercent, default 10.
	MaxEjectionPercent *uint32
	// MinHealthPercent is the panic threshold; nil and 0 switch panic off, as in Istio.
	MinHealthPercent *uint32
}

// TLSMode is how a client speaks TLS.
type TLSMode string

// The modes of client TLS.
const (
	TLSDisable TLSMode = "DISABLE"
	TLSSimple  TLSMode = "SIMPLE"
	TLSMutual  TLSMode = "MUTUAL"
	TLSIstio   TLSMode = "ISTIO_MUTUAL"
)

// ClientTLS is how calls to a host are encrypted.
type ClientTLS struct {
	Mode TLSMode
	// SNI sent, default the host.
	SNI string
	// CACertificates is a file; empty takes the system's.
	CACertificates                string
	ClientCertificate, PrivateKey string
	SubjectAltNames               []string
	InsecureSkipVerify            bool
	// Credential names a Secret in the caller's namespace, in place of the files.
	Credential string
	Pos        diag.Pos
}
