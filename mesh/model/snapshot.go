package model

import (
	"slices"
	"strings"
)

// Snapshot is all that the mesh is told, at one moment. It is a value: methods that change it
// give a new one that shares what did not change.
type Snapshot struct {
	// Mesh-wide settings.
	Mesh *Mesh
	// Services and Endpoints by full host name.
	Services  Map[*Service]
	Endpoints Map[*Endpoints]
	// Workloads, Gateways and VirtualServices by namespace/name.
	Workloads       Map[*Workload]
	Gateways        Map[*Gateway]
	VirtualServices Map[*VirtualService]
	// DestinationRules by namespace/name.
	DestinationRules Map[*DestinationRule]
	// PeerAuthentications by namespace/name.
	PeerAuthentications Map[*PeerAuthentication]
	// RequestAuthentications by namespace/name.
	RequestAuthentications Map[*RequestAuthentication]
	// AuthorizationPolicies by namespace/name.
	AuthorizationPolicies Map[*AuthorizationPolicy]
	// QuotaPolicies by namespace/name.
	QuotaPolicies Map[*QuotaPolicy]
	// HealthCheckPolicies by namespace/name.
	HealthCheckPolicies Map[*HealthCheckPolicy]
	// EnvoyFilters by namespace/name.
	EnvoyFilters Map[*EnvoyFilter]
	// Revocations by namespace/name.
	Revocations Map[*Revocation]
	// Telemetries by namespace/name.
	Telemetries Map[*Telemetry]
	// Secrets by namespace/name.
	Secrets Map[*Secret]
	// Identities that may answer, by host.
	Identities Map[*Identities]
	// Trust in certificates; nil in a mesh without identities, whose calls are plain text.
	Trust *Trust
	// Faults of running scenarios, by host.
	Faults Map[*LeasedFaults]

	meshRoutes    Map[*ruleList[VirtualService]]     // by host, for sidecars
	gatewayRoutes Map[*ruleList[VirtualService]]     // by gateway key
	policies      Map[*ruleList[DestinationRule]]    // by host
	peers         Map[*ruleList[PeerAuthentication]] // by namespace

	authorizations Map[*ruleList[AuthorizationPolicy]]   // by namespace
	tokens         Map[*ruleList[RequestAuthentication]] // by namespace
	quotas         Map[*ruleList[QuotaPolicy]]           // by namespace
	healthChecks   Map[*ruleList[HealthCheckPolicy]]     // by host
	patches        Map[*ruleList[EnvoyFilter]]           // by namespace
	telemetries    Map[*ruleList[Telemetry]]             // by namespace
}

// ruleList is an immutable list, in the order of the rules' keys.
type ruleList[T any] struct{ rules []*T }

// WithVirtualService gives the snapshot with the rule added, or replaced by its key.
func (s Snapshot) WithVirtualService(v *VirtualService) Snapshot {
	s = s.WithoutVirtualService(v.Key())
	s.VirtualServices = s.VirtualServices.Set(v.Key(), v)
	for _, g := range v.Gateways {
		if g != MeshGateway {
			s.gatewayRoutes = addRule(s.gatewayRoutes, g, v)
			continue
		}
		for _, h := range v.Hosts {
			s.meshRoutes = addRule(s.meshRoutes, h, v)
		}
	}
	return s
}

// WithoutVirtualService gives the snapshot without the rule.
func (s Snapshot) WithoutVirtualService(key string) Snapshot {
	v := s.VirtualServices.At(key)
	if v == nil {
		return s
	}
	s.VirtualServices = s.VirtualServices.Delete(key)
	for _, g := range v.Gateways {
		if g != MeshGateway {
			s.gatewayRoutes = dropRule(s.gatewayRoutes, g, v)
			continue
		}
		for _, h := range v.Hosts {
			s.meshRoutes = dropRule(s.meshRoutes, h, v)
		}
	}
	return s
}

// WithDestinationRule gives the snapshot with the rule added, or replaced by its key.
func (s Snapshot) WithDestinationRule(d *DestinationRule) Snapshot {
	s = s.WithoutDestinationRule(d.Key())
	s.DestinationRules = s.DestinationRules.Set(d.Key(), d)
	s.policies = addRule(s.policies, d.Host, d)
	return s
}

// WithoutDestinationRule gives the snapshot without the rule.
func (s Snapshot) WithoutDestinationRule(key string) Snapshot {
	if d := s.DestinationRules.At(key); d != nil {
		s.DestinationRules = s.DestinationRules.Delete(key)
		s.policies = dropRule(s.policies, d.Host, d)
	}
	return s
}

func addRule[T any, P interface {
	*T
	Key() string
}](m Map[*ruleList[T]], at string, rule P) Map[*ruleList[T]] {
	var list []*T
	if old := m.At(at); old != nil {
		list = old.rules
	}
	i, _ := slices.BinarySearchFunc(list, rule.Key(), func(r *T, key string) int { return strings.Compare(P(r).Key(), key) })
	return m.Set(at, &ruleList[T]{slices.Insert(slices.Clone(list), i, (*T)(rule))})
}

func dropRule[T any](m Map[*ruleList[T]], at string, rule *T) Map[*ruleList[T]] {
	old := m.At(at)
	if old == nil {
		return m
	}
	list := slices.DeleteFunc(slices.Clone(old.rules), func(r *T) bool { return r == rule })
	if len(list) == 0 {
		return m.Delete(at)
	}
	return m.Set(at, &ruleList[T]{list})
}

// HostPatterns gives the names under which rules for a host may stand, the most special first: the host
// itself, *.b.c for a.b.c, *.c, and "*".
func HostPatterns(host string) []string {
	out := []string{host}
	for rest := strings.TrimPrefix(host, "*."); ; {
		_, after, found := strings.Cut(rest, ".")
		if !found {
			break
		}
		out = append(out, "*."+after)
		rest = after
	}
	if host != "*" {
		out = append(out, "*")
	}
	return out
}

// MeshRule finds the VirtualService that sidecars of a namespace obey for a host, or nil.
func (s Snapshot) MeshRule(host, namespace string) *VirtualService {
	for _, h := range HostPatterns(host) {
		if list := s.meshRoutes.At(h); list != nil {
			for _, v := range list.rules {
				if v.VisibleFrom(namespace) {
					return v
				}
			}
		}
	}
	return nil
}

// MeshRuleHosts goes through the hosts that have rules for sidecars.
func (s Snapshot) MeshRuleHosts(yield func(string, []*VirtualService) bool) {
	for h, list := range s.meshRoutes.All() {
		if !yield(h, list.rules) {
			return
		}
	}
}

// GatewayRules gives the VirtualServices bound to a gateway (namespace/name), by namespace/name.
func (s Snapshot) GatewayRules(gateway string) []*VirtualService {
	if list := s.gatewayRoutes.At(gateway); list != nil {
		return list.rules
	}
	return nil
}

// DestinationRule finds the rule that a caller of a namespace obeys for a host, or nil: one in the
// caller's namespace, else in the service's, else in the root namespace; names before wildcards.
// Source: Istio's destination rule inheritance.
func (s Snapshot) DestinationRule(host, namespace string) *DestinationRule {
	own := namespace
	if svc := s.Services.At(host); svc != nil {
		own = svc.Namespace
	}
	for _, ns := range []string{namespace, own, s.Mesh.RootNamespace} {
		for _, h := range HostPatterns(host) {
			list := s.policies.At(h)
			if list == nil {
				continue
			}
			for _, d := range list.rules {
				if d.Namespace == ns && d.VisibleFrom(namespace) {
					return d
				}
			}
		}
	}
	return nil
}

// Changes says which keys of which part differ between two snapshots. Each slice is sorted.
type Changes struct {
	Mesh, Trust                             bool
	Services, Endpoints, Workloads          []string
	Gateways, GatewayRules                  []string
	MeshRules, DestinationRules, FaultHosts []string
	Identities                              []string
	// HealthChecks are hosts.
	HealthChecks []string
	// Secrets are namespace/name.
	Secrets []string
	// These are namespaces.
	PeerAuthentications, AuthorizationPolicies, RequestAuthentications, QuotaPolicies, EnvoyFilters, Telemetries []string
}

// Changed compares two snapshots in time proportional to what differs.
func Changed(a, b Snapshot) Changes {
	return Changes{
		Mesh:             a.Mesh != b.Mesh,
		Services:         keys(a.Services, b.Services),
		Endpoints:        keys(a.Endpoints, b.Endpoints),
		Workloads:        keys(a.Workloads, b.Workloads),
		Gateways:         keys(a.Gateways, b.Gateways),
		GatewayRules:     keys(a.gatewayRoutes, b.gatewayRoutes),
		MeshRules:        keys(a.meshRoutes, b.meshRoutes),
		DestinationRules: keys(a.policies, b.policies),
		FaultHosts:       keys(a.Faults, b.Faults),
		Trust:            a.Trust != b.Trust,
		Identities:       keys(a.Identities, b.Identities),
		HealthChecks:     keys(a.healthChecks, b.healthChecks),
		Secrets:          keys(a.Secrets, b.Secrets),

		PeerAuthentications:   keys(a.peers, b.peers),
		AuthorizationPolicies: keys(a.authorizations, b.authorizations),

		RequestAuthentications: keys(a.tokens, b.tokens),
		QuotaPolicies:          keys(a.quotas, b.quotas),
		EnvoyFilters:           keys(a.patches, b.patches),
		Telemetries:            keys(a.telemetries, b.telemetries),
	}
}

func keys[V comparable](a, b Map[V]) []string {
	var out []string
	Diff(a, b, func(c Change[V]) { out = append(out, c.Key) })
	return out
}

// MeshRulesOf gives the rules for sidecars that name exactly this host.
func (s Snapshot) MeshRulesOf(host string) []*VirtualService {
	if list := s.meshRoutes.At(host); list != nil {
		return list.rules
	}
	return nil
}
